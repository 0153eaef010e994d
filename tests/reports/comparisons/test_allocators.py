from bench.cases.further_grids import EXPANDABLE as OF_GRID
from reports.comparisons.allocators import EXPANDABLE, allocators_table, without_expandable
from reports.comparisons.runs import run_table
from reports.document import write_report
from reports.records import frame_of


def _run(record, setting: str, reserved_mib: int, method: str = "full", **case):
    return record("voc", "swin_large", method, reserved_mib=reserved_mib, batches=12, alloc_conf=setting, **case)


def test_what_expandable_segments_save(record) -> None:
    lines = [_run(record, "", 15_000), _run(record, EXPANDABLE, 12_000)]
    lines += [_run(record, "", 2_800, "e3va"), _run(record, EXPANDABLE, 2_500, "e3va")]
    full, e3va = allocators_table(frame_of(lines)).cells.to_numpy().tolist()
    assert full == [
        "VOC, swin_large, Full",
        "12 batches of 2 x 608 x 1024",
        "14 900",
        "15 000",
        "12 000",
        "3 000",
        "-20.0",
    ]
    assert e3va[-4:] == ["2 800", "2 500", "300", "-10.7"]  # 300 of 2800


def test_the_latest_results_count(record) -> None:
    lines = [_run(record, "", 15_000), _run(record, EXPANDABLE, 12_000), _run(record, "", 16_000)]
    (row,) = allocators_table(frame_of(lines)).cells.to_numpy().tolist()
    assert row[3:6] == ["16 000", "12 000", "4 000"]


def test_only_the_same_run_under_both_settings(record) -> None:
    other = [_run(record, "", 15_000, seed=1), _run(record, EXPANDABLE, 12_000, seed=2)]
    assert allocators_table(frame_of(other)) is None
    assert allocators_table(frame_of([_run(record, "", 15_000), _run(record, "backend:native", 15_000)])) is None
    assert allocators_table(frame_of([record("voc", "swin_large", "full", reserved_mib=9_000)])) is None
    assert allocators_table(frame_of([])) is None


def test_the_table_of_runs_keeps_the_default(record) -> None:
    default, expandable = _run(record, "", 15_000), _run(record, EXPANDABLE, 12_000)
    cells = run_table(frame_of([default, expandable])).cells
    assert list(cells.iloc[:, 8]) == ["15 000"]
    alone = frame_of([expandable])
    assert len(without_expandable(alone)) == len(run_table(alone).cells) == 1


def test_it_stands_in_the_report(records, record, tmp_path) -> None:
    lines = [*records, _run(record, "", 15_000), _run(record, EXPANDABLE, 12_000)]
    for line in records:
        line["case"]["alloc_conf"] = ""
    text = write_report(lines, tmp_path).read_text()
    assert "## Allocators: what expandable segments save over a run" in text


def test_the_grid_has_the_setting_of_the_table() -> None:
    assert OF_GRID == EXPANDABLE
