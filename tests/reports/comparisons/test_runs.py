from pathlib import Path

import pytest

from reports.cells import MISSING
from reports.comparisons.runs import run_table
from reports.document import write_report
from reports.records import frame_of
from reports.tables import table2

WORST = {"index": 11, "image_size": [1216, 1184], "gt_boxes": 9}


@pytest.fixture
def run(record):
    line = record("coco", "swin_base", "e3va", reserved_mib=12_000, batches=12)
    line["memory"]["worst_batch"] = WORST
    return line


def test_a_run_stands_beside_its_single_shape(records, run) -> None:
    (row,) = run_table(frame_of([*records, run])).cells.to_numpy().tolist()
    assert row[:11] == [
        "COCO, swin_base, E3VA", "2 x 800 x 1344", "4 400", "4 500", "1.02",  # 4500 / 4400
        "12", "1216 x 1184, 9 objects", "11 900", "12 000", "1.01", "+166.7",
    ]  # fmt: skip
    assert row[11:] == ["OOM (yes)", "yes", "yes", "yes"]


def test_a_run_without_its_single_shape(run) -> None:
    (row,) = run_table(frame_of([run])).cells.to_numpy().tolist()
    assert row[2:5] == [MISSING] * 3
    assert row[10:] == [MISSING, "OOM", "yes", "yes", "yes"]


def test_of_several_results_the_latest_counts(records, run, record) -> None:
    later = record("coco", "swin_base", "e3va", reserved_mib=13_500, batches=12)
    later["memory"]["worst_batch"] = WORST
    single = record("coco", "swin_base", "e3va", reserved_mib=9_000)
    (row,) = run_table(frame_of([*records, run, single, later])).cells.to_numpy().tolist()
    assert (row[3], row[8], row[10]) == ("9 000", "13 500", "+50.0")


def test_a_run_stands_beside_no_shape_of_other_settings(records, run) -> None:
    for line in records:
        line["case"]["anything_new"] = "as before"
    run["case"]["anything_new"] = "otherwise"
    (row,) = run_table(frame_of([*records, run])).cells.to_numpy().tolist()
    assert row[2:5] == [MISSING] * 3


def test_no_runs_no_table(records) -> None:
    assert run_table(frame_of(records)) is None


def test_a_run_is_not_in_the_papers_tables(records, run, tmp_path: Path) -> None:
    text = write_report([*records, run], tmp_path).read_text()
    without = table2(frame_of(records)).to_markdown()
    assert without in text
    assert "## Worst case over a run" in text
    assert (tmp_path / "breakdown.png").exists()
