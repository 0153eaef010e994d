import pytest

from reports.comparisons.rivals import rivals_table
from reports.records import frame_of


@pytest.fixture
def rivals(record):
    """Memory of four, and times of three: Full with checkpointing takes 1.3 times as long as Full."""
    memory = (("full", False, 10_000), ("full", True, 6_000), ("lst", False, 3_000), ("e3va", False, 2_000))
    lines = [
        record("voc", "swin_large", method, reserved_mib=mib, checkpointing=checkpointing)
        for method, checkpointing, mib in memory
    ]
    times = (("full", False, None), ("full", True, 1.3), ("e3va", False, 0.5))
    return lines + [
        record("voc", "swin_tiny", method, step_ms=500 * (ratio or 1), in_turns=ratio, checkpointing=checkpointing)
        for method, checkpointing, ratio in times
    ]


def _cells(lines):
    return rivals_table(frame_of(lines)).cells.set_index("Method")


def test_shares_come_from_steps_in_turns(rivals) -> None:
    """Full itself was measured while the machine was a hundred times slower."""
    (full,) = (line["time"] for line in rivals if line["time"] and "relative_to" not in line["time"])
    full["step_ms"] |= {"median": 48_376.0, "p10": 28_455.0, "p90": 54_528.0}
    cells = _cells(rivals)
    assert cells.loc["Full"].tolist()[-2:] == ["48376 (28455-54528)", "100.0"]
    assert cells.loc["Full, checkpointing"].tolist()[-2:] == ["650 (649-651)", "130.0"]
    assert cells.loc["E3VA, fused (ours)"].tolist()[-1] == "50.0"
    assert cells.loc["LST"].tolist()[-2:] == ["–", "–"]


def test_a_row_that_was_not_timed_in_turns_has_no_share(rivals) -> None:
    del rivals[-2]["time"]["relative_to"]
    assert _cells(rivals).loc["Full, checkpointing"].tolist()[-1] == "not in turns"
    assert "1 of 2 rows were timed in turns with Full" in rivals_table(frame_of(rivals)).caption


def test_rows_that_were_disturbed_are_named(rivals) -> None:
    rivals[-2]["time"]["contention"] = {"others_percent": 61.0, "contended_rounds": 5}
    caption = rivals_table(frame_of(rivals)).caption
    assert "took up to 61 % of the processors" in caption and "too long: VOC Full, checkpointing." in caption


def test_predicted_times_stand_before_those_of_a_cpu(rivals) -> None:
    for line, step_ms in zip(rivals[:2], (200.0, 250.0), strict=True):
        line["predicted_time"] = {"v100-32gb": {"step_ms": step_ms}}
    table = rivals_table(frame_of(rivals))
    headings = [heading for heading, _ in table.columns]
    assert headings[-4:] == ["v100-32gb ms, predicted", "% of Full", "VOC CPU step ms (p10-p90)", "% of Full"]
    assert [cells[1] for _, cells in table.columns[-4:]] == ["250", "125.0", "650 (649-651)", "130.0"]
    assert "is **predicted**" in table.caption
