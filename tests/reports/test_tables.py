import pandas as pd
import pytest

from reports.cells import MISSING, number, signed
from reports.records import frame_of, label_of, published, select
from reports.tables import table1, table2, table3, table4


def _row(table, method: str) -> list[str]:
    cells = table.cells
    return cells[cells["Method"] == method].iloc[0].tolist()


def test_table1_puts_ours_beside_the_papers(records) -> None:
    table = table1(frame_of(records))
    headings = [heading for heading, _ in table.columns]
    row = dict(zip(headings[:12], _row(table, "E3VA")[:12], strict=True))
    assert row["params M"] == "1.79"
    assert row["VOC MiB"] == "4 000"
    assert row["paper MB"] == "4 819"
    assert row["diff %"] == "-17.0"
    assert row["points"] == "+8.5"  # -60.78 ours, -69.26 the paper's
    full = _row(table, "Full")
    assert full[1:6] == ["195.00", "198.58", "-3.58", "+0.00", MISSING]


def test_table2_compares_swin_l_with_no_full(records) -> None:
    row = _row(table2(frame_of(records)), "E3VA (Swin-L)")
    assert row[1:6] == ["1.79", "1.80", "-0.01", MISSING, MISSING]
    assert row[7] == "9 471"


def test_table3_is_relative_to_full(records) -> None:
    table = table3(frame_of(records))
    row = _row(table, "E3VA")
    assert row[1:5] == ["110 (109-111)", "55.0", "56.7", "-1.7"]
    assert "not on a GPU" in table.caption
    assert "3 steps per method" in table.caption


def test_table4_counts_agreement_with_the_paper(records) -> None:
    table = table4(frame_of(records))
    cells = table.cells
    full = cells[cells["Method"] == "Full"]
    assert full["images per GPU"].tolist() == ["1", "2"]
    assert full["gtx-1080ti-11gb"].tolist() == ["OOM", "OOM"]
    assert full["v100-32gb"].tolist() == ["yes", "OOM"]
    e3va = cells[cells["Method"] == "E3VA"]
    assert e3va["p100-16gb"].tolist() == ["yes", "yes, retries"]
    fixed = cells[cells["Method"] == "Fixed"].iloc[0].tolist()
    assert MISSING in fixed  # the paper has no row for it
    # Full and E3VA are in the paper: 16 cells. Of ours, all agree.
    assert "16 of 16 cells agree with the paper" in table.caption


@pytest.mark.parametrize("build", [table1, table2, table3, table4])
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
