import pandas as pd
import pytest

from reports.cells import MISSING, number, signed
from reports.records import frame_of, label_of, published, select
from reports.tables import table1, table2
from reports.times.table3 import table3

ALL = [
    "Full", "Fixed", "BitFit", "Norm-Tuning", "Partial-1", "Adapter", "LoRA", "AdaptFormer", "LoRand", "E3VA", "E3VA+",
    "E3VA++",
]  # fmt: skip


def _row(table, method: str) -> list[str]:
    cells = table.cells
    return cells[cells["Method"] == method].iloc[0].tolist()


def test_table1_puts_ours_beside_the_papers(records) -> None:
    table = table1(frame_of(records))
    headings = [heading for heading, _ in table.columns]
    row = dict(zip(headings[:12], _row(table, "E3VA")[:12], strict=True))
    assert row["params M"] == "1.79"
    assert row["VOC MiB"] == "4 020"
    assert row["paper MB"] == "4 819"
    assert row["diff %"] == "-16.6"
    assert row["points"] == "+8.7"  # -60.59 ours, -69.26 the paper's
    full = _row(table, "Full")
    assert full[1:6] == ["195.00", "198.58", "-3.58", "+0.00", MISSING]


@pytest.mark.parametrize("build", [table1, table2, table3])
def test_the_papers_row_has_the_form_that_it_measured(records, build) -> None:
    frame = frame_of(records)
    table, other_forms = build(frame), build(frame[frame["form"] != "reference"])
    ours = "E3VA, fused (ours)"
    assert table.cells["Method"].tolist()[:12] == ALL
    assert _row(other_forms, ours) == _row(table, ours)
    assert "measure e3va-reference" in other_forms.caption
    assert "measure e3va-reference" not in table.caption
    of_paper = [cell for cell in _row(other_forms, "E3VA") if cell != MISSING]
    assert set(of_paper) <= {"E3VA", *_published_cells("e3va")}
    with_reference = build(frame[frame["method"] != "e3va"])
    assert ours not in with_reference.cells["Method"].tolist()
    assert _row(with_reference, "E3VA") == _row(table, "E3VA")


def _published_cells(key: str) -> set[str]:
    """Every published figure of a method, as a cell may write it."""
    names = ("table1_voc_ade20k_swin_large", "table2_coco_swin_base", "table3_training_time")
    rows = pd.concat([frame[frame["key"] == key] for frame in map(published, names)])
    values = [value for row in rows.to_dict("records") for value in row.values() if pd.notna(value)]
    figures = [value for value in values if not isinstance(value, str)]
    written = {write([value], digits)[0] for value in figures for write in (number, signed) for digits in (0, 1, 2)}
    return written | {"yes", "no"}


def test_table2_compares_swin_l_with_no_full(records) -> None:
    table = table2(frame_of(records))
    row = _row(table, "E3VA (Swin-L)")
    assert row[1:6] == ["1.79", "1.80", "-0.01", MISSING, MISSING]
    assert row[6:8] == ["16 080", "9 471"]
    assert _row(table, "E3VA, fused (ours) (Swin-L)")[6:8] == ["16 000", MISSING]


PLACES = {
    table1: (
        "table1_voc_ade20k_swin_large",
        {
            "trained_params_m": (2, number, 2), "params_delta_full_pct": (5, signed, 2),
            "memory_voc_mb": (7, number, 0), "memory_delta_full_pct": (10, signed, 2), "extra_structure": (14, list, 0),
            "voc_ap_box_pct": (16, number, 1), "voc_delta_full_pct": (18, signed, 1),
            "ade20k_miou_pct": (20, number, 2), "ade20k_delta_full_pct": (22, signed, 2),
        },
    ),
    table2: (
        "table2_coco_swin_base",
        {
            "trained_params_m": (2, number, 2), "params_delta_full_pct": (5, signed, 2),
            "memory_mb": (7, number, 0), "memory_delta_full_pct": (10, signed, 2), "extra_structure": (12, list, 0),
            "ap_box_pct": (14, number, 1), "ap_box_delta_full_pct": (16, signed, 1),
            "ap_mask_pct": (18, number, 1), "ap_mask_delta_full_pct": (20, signed, 1),
        },
    ),
    table3: (
        "table3_training_time",
        {
            "voc_hours": (5, number, 0), "voc_pct_full": (3, number, 1), "ade20k_hours": (10, number, 0),
            "ade20k_pct_full": (8, number, 1), "coco_hours": (15, number, 0), "coco_pct_full": (13, number, 1),
        },
    ),
}  # fmt: skip
"""Table -> the published one, and for each of its columns the position of ours, how it is written, and digits."""


@pytest.mark.parametrize("build", PLACES)
def test_every_published_cell_has_its_place(records, build) -> None:
    """The deltas of accuracies are computed from published accuracies, and are the deltas that the paper has."""
    name, places = PLACES[build]
    table, paper = build(frame_of(records)), published(name)
    assert set(places) == set(paper.columns) - {"method", "key", "backbone"}
    for row in paper.to_dict("records"):
        shown = _row(table, row["method"] + (" (Swin-L)" if row.get("backbone") == "swin_large" else ""))
        for column, (position, write, digits) in places.items():
            expected = write([row[column]], digits)[0] if digits or write is not list else row[column]
            assert shown[position] == expected, (row["method"], column)


@pytest.mark.parametrize("build", [table1, table2, table3])
def test_without_results_there_is_no_table(build) -> None:
    assert build(frame_of([])) is None


def test_settings_are_never_mixed_in_one_table(records, record) -> None:
    odd = record("voc", "swin_large", "lora", reserved_mib=1, image_size=[64, 64])
    rows = select(frame_of([*records, odd]), task="voc", engine="simulate")
    assert "lora" not in rows["method"].tolist()
    assert set(rows["image_size"]) == {"608 x 1024"}


def test_a_method_the_paper_lacks_has_a_row_all_the_same(records, record) -> None:
    new = record("coco", "swin_base", "my_method", reserved_mib=5_000)
    row = _row(table2(frame_of([*records, new])), "my_method")
    assert row[6] == "5 000"
    assert row[2] == row[7] == MISSING


def test_published_tables_are_complete() -> None:
    assert len(published("table1_voc_ade20k_swin_large")) == 12
    assert len(published("table2_coco_swin_base")) == 13
    assert len(published("table4_gpu_trainability_swin_large_cascade")) == 10
    assert label_of("norm_tuning") == "Norm-Tuning"
    assert label_of("e3va++") == "E3VA++"


def test_missing_zero_and_sign_look_different() -> None:
    assert number([0.0, None, float("nan"), 1234.5], 0) == ["0", MISSING, MISSING, "1 234"]
    assert signed([0.0, -0.001, 1.25, None], 1) == ["+0.0", "+0.0", "+1.2", MISSING]


def test_an_oom_keeps_its_row() -> None:
    frame = frame_of(
        [
            {
                "status": "oom",
                "case": {"task": "voc", "method": "full", "engine": "cuda", "image_size": [4, 4], "backbone": "b"},
                "environment": {},
            }
        ]
    )
    assert isinstance(frame, pd.DataFrame)
    assert frame["status"].tolist() == ["oom"]
