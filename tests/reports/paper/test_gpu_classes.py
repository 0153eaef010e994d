import pytest

from reports.cells import MISSING
from reports.document import build_tables
from reports.paper.gpu_classes import contradictions, probable_table4, table4
from reports.records import frame_of, published

PROBABLE = {"profile": "mm-2021", "batches": 4, "stretch": "worst"}
CARDS = ("gtx-1080ti-11gb", "p100-16gb", "rtx-3090-24gb", "v100-32gb")


@pytest.fixture
def probable(record):
    """As the paper says, but for Full, which needs a little less than its cards of 16 and 32 GB have."""
    mib = {("full", 1): 15_000, ("full", 2): 30_000, ("e3va-reference", 1): 9_000, ("e3va-reference", 2): 15_000}
    return [
        record("coco", "swin_large", method, reserved_mib=reserved, batch_size=size, **PROBABLE)
        for (method, size), reserved in mib.items()
    ]


def _rows(table, method):
    cells = table.cells
    return cells[cells["Method"] == method]


def test_agreement_with_the_paper_is_counted(records) -> None:
    table = table4(frame_of(records))
    full, e3va = _rows(table, "Full"), _rows(table, "E3VA")
    assert full["images per GPU"].tolist() == ["1", "2"]
    assert full["gtx-1080ti-11gb"].tolist() == ["OOM", "OOM"]
    assert full["v100-32gb"].tolist() == ["yes", "OOM"]
    assert e3va["p100-16gb"].tolist() == ["yes", "yes, retries"]
    assert MISSING in _rows(table, "Fixed").iloc[0].tolist()  # the paper has no row for it
    assert _rows(table, "E3VA, fused (ours)")["paper"].to_numpy().ravel().tolist() == [MISSING] * 8
    # Full and E3VA are in the paper: 16 cells. Of ours, all agree.
    assert "16 of 16 cells agree with the paper, which published 40" in table.caption
    assert "1 image: BitFit, Adapter, LoRA; 2 images: BitFit, Adapter, LoRA." in table.caption


def test_another_form_is_not_counted(records) -> None:
    frame = frame_of(records)
    table = table4(frame[frame["form"] != "reference"])
    assert "8 of 8 cells agree" in table.caption
    assert "E3VA (measure e3va-reference)" in table.caption
    assert set(_rows(table, "E3VA")["v100-32gb"]) == {MISSING}


def test_every_published_cell_has_its_place(records) -> None:
    table = table4(frame_of(records))
    headings = [heading for heading, _ in table.columns]
    for row in published("table4_gpu_trainability_swin_large_cascade").to_dict("records"):
        shown = _rows(table, row["method"])
        cells = shown[shown["images per GPU"] == str(row["batch_size_per_gpu"])].iloc[0].tolist()
        for card in CARDS:
            assert cells[headings.index(card) + 1] == row[card.replace("-", "_")]


def test_probable_rules_have_a_table_of_their_own(records, probable) -> None:
    frame = frame_of([*records, *probable])
    tables = {table.title: table for table in build_tables(frame, [4])}
    assert tables["Table 4. Swin-L Cascade Mask R-CNN on four GPU classes"].to_markdown() == (
        table4(frame_of(records)).to_markdown()
    )
    table = tables["Table 4 under its probable rules"]
    assert "14 of 16 cells agree" in table.caption  # not Full with 1 image on 16 GB, nor with 2 on 32 GB
    assert "over 4 batches" in table.caption and "objects per image" not in table.caption
    assert _rows(table, "E3VA")["reserved MiB"].tolist() == ["9 000", "15 000"]


def test_other_runs_are_not_under_the_probable_rules(probable) -> None:
    for field, value in {"precision": "apex-o1", "stretch": "first", "profile": "torch-2.11", "batches": 1}.items():
        other = [{**line, "case": {**line["case"], field: value}} for line in probable]
        assert probable_table4(frame_of(other)) is None
    assert probable_table4(frame_of([])) is None


def test_contradicted_claims_are_listed_with_our_figures(records, probable) -> None:
    shapes = frame_of(records)
    table = contradictions(shapes, frame_of([*records, *probable]))
    assert table.cells.to_numpy().tolist() == [
        ["Full", "1", "p100-16gb", "no", "yes", "15 000", "OOM", "20 400", "15 600"],
        ["Full", "2", "v100-32gb", "no", "yes", "30 000", "OOM", "40 800", "31 000"],
    ]
    assert "Of the 40 cells that the paper **published**, 16 have" in table.caption
    assert "and 2 of these say otherwise" in table.caption


def test_without_the_probable_rules_todays_count(records, record) -> None:
    lora = record("coco", "swin_large", "lora", reserved_mib=9_000, batch_size=1)
    shapes = frame_of([*records, lora])
    cells = contradictions(shapes, shapes).cells
    assert cells.iloc[:, :8].to_numpy().tolist() == [
        ["LoRA", "1", card, "no", MISSING, MISSING, "yes", "9 000"] for card in CARDS[:2]
    ]
    assert contradictions(frame_of([]), frame_of([])) is None


def test_a_verdict_of_neither_kind_agrees_with_neither(records) -> None:
    for line in records:
        for fit in line["fits"].values():
            fit["verdict"] = "depends"
    assert "0 of 16 cells agree" in table4(frame_of(records)).caption


def test_without_results_there_is_no_table() -> None:
    assert table4(frame_of([])) is None
