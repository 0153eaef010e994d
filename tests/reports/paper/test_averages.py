import pytest

from reports.cells import MISSING
from reports.paper.averages import averages_table
from reports.paper_settings import OUTSIDE_MIB
from reports.records import frame_of

TODAY, PROBABLE = "memory, simulated under today's rules", "memory, simulated under the paper's probable settings"
MEASURED, PREDICTED = "time of a step, measured on a CPU", "time of a step, predicted for a v100-32gb"


def _rows(*frames):
    cells = averages_table(*frames).cells
    return {row[0]: row[1:] for row in cells.to_numpy().tolist()}


def test_the_papers_rule_gives_the_papers_averages(records) -> None:
    frame = frame_of(records)
    rows = _rows(frame, frame)
    assert rows["memory, published"] == ["69.3", MISSING, "55.2", "62.2"]
    assert rows["time of training, published"] == ["43.3", "20.4", "14.8", "26.2"]
    caption = averages_table(frame, frame).caption
    assert "62.2 % of memory" in caption and "26.2 % of time" in caption


def test_ours_are_the_same_means(records) -> None:
    frame = frame_of(records)
    rows = _rows(frame, frame)
    # VOC: 4020 of 10200; COCO: 4520 of 10700.
    assert rows[TODAY] == ["60.6", MISSING, "57.8", "59.2"]
    assert rows[PROBABLE] == [MISSING] * 4
    assert rows[MEASURED] == ["44.0", MISSING, MISSING, MISSING]  # 112 of 200 ms, and no mean of one task


def test_memory_under_the_probable_settings(record, records) -> None:
    legacy = {"profile": "mm-2021", "precision": "apex-o1"}
    lines = []
    for task, backbone, share in (("voc", "swin_large", 0.25), ("coco", "swin_base", 0.5)):
        for method, mib in (("full", 10_000), ("e3va-reference", share * 10_000)):
            for run in ({}, {"batches": 8, "stretch": "first"}):
                lines.append(record(task, backbone, method, reserved_mib=int(mib) - OUTSIDE_MIB, **legacy, **run))
    assert _rows(frame_of(records), frame_of([*records, *lines]))[PROBABLE] == ["75.0", MISSING, "50.0", "62.5"]


def test_predicted_times(record) -> None:
    lines = []
    places = (("voc", "swin_large", 60.0), ("ade20k", "swin_large", 70.0), ("coco", "swin_base", 80.0))
    for task, backbone, step_ms in places:
        for method, of_method in (("full", 100.0), ("e3va-reference", step_ms), ("e3va", 1.0)):
            line = record(task, backbone, method, reserved_mib=1_000)
            lines.append(line | {"predicted_time": {"v100-32gb": {"step_ms": of_method}}})
    assert _rows(frame_of(lines), frame_of(lines))[PREDICTED] == ["40.0", "30.0", "20.0", "30.0"]


def test_predicted_times_stand_before_those_of_a_cpu(record, records) -> None:
    full, e3va = (record("voc", "swin_large", method, reserved_mib=1_000) for method in ("full", "e3va-reference"))
    full["predicted_time"], e3va["predicted_time"] = {"v100-32gb": {"step_ms": 9.0}}, {"v100-32gb": {"step_ms": 3.0}}
    frame = frame_of([*records, full, e3va])
    assert list(_rows(frame, frame))[-2:] == [PREDICTED, MEASURED]


@pytest.mark.parametrize("left_out", ["e3va-reference", "full"])
def test_no_other_form_and_nothing_without_full(records, left_out) -> None:
    """A time that was taken in turns with Full needs no result of Full itself."""
    frame = frame_of([line for line in records if line["case"]["method"] != left_out])
    assert left_out != "full" or _rows(frame, frame)[MEASURED] == ["44.0", MISSING, MISSING, MISSING]
    frame = frame_of([line for line in records if line["case"]["method"] != left_out and not line["time"]])
    assert averages_table(frame, frame) is None
    assert averages_table(frame_of([]), frame_of([])) is None
