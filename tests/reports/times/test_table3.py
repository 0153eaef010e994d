from reports.cells import MISSING
from reports.records import frame_of
from reports.times.shares import NOT_IN_TURNS
from reports.times.table3 import table3


def _row(table, method: str) -> list[str]:
    cells = table.cells
    return cells[cells["Method"] == method].iloc[0].tolist()


def _timed(records):
    return {line["case"]["method"]: line["time"] for line in records if line["time"]}


def test_shares_stand_beside_the_papers(records) -> None:
    table = table3(frame_of(records))
    assert _row(table, "Full")[1:4] == ["200 (199-201)", "100.0", "100.0"]
    assert _row(table, "Fixed")[1:5] == ["80 (79-81)", "40.0", "40.0", "+0.0"]
    # Norm-tuning: 75 of Full here, 76.67 in the paper.
    assert _row(table, "Norm-Tuning")[1:3] == ["150 (149-151)", "75.0"]
    assert "not on a GPU" in table.caption
    assert "3 steps per method after 3 of warm-up, each in turns with a step of Full." in table.caption
    assert "ADE20K: all; COCO: all." in table.caption


def test_ratios_are_those_of_steps_in_turns(records) -> None:
    """Full was measured at a moment when everything took ten times as long."""
    for time in _timed(records).values():
        if "relative_to" not in time:
            time["step_ms"] |= {"median": 2000.0, "p10": 1999.0, "p90": 2001.0}
    assert _row(table3(frame_of(records)), "Fixed")[1:3] == ["80 (79-81)", "40.0"]


def test_no_ratio_without_turns(records) -> None:
    for time in _timed(records).values():
        time.pop("relative_to", None)
    table = table3(frame_of(records))
    assert _row(table, "E3VA")[1:5] == ["112 (111-113)", NOT_IN_TURNS, "56.7", MISSING]
    assert "0 of 4 rows were timed in turns with Full; only they have shares of its time." in table.caption


def test_an_order_that_is_not_known_is_not_printed(records) -> None:
    """E3VA in its reference form has 56 % of Full, and its fused form 55 %."""
    for method in ("e3va", "e3va-reference"):
        ratio = _timed(records)[method]["relative_to"]["ratio"]
        ratio |= {"low": ratio["median"] - 0.01, "high": ratio["median"] + 0.01}
    table = table3(frame_of(records))
    assert _row(table, "E3VA")[2:5] == ["≈ 56 (55-57)", "56.7", "≈ -1"]
    assert _row(table, "E3VA, fused (ours)")[2:5] == ["≈ 55 (54-56)", MISSING, MISSING]


def test_what_may_be_as_slow_as_full_is_not_slower(records) -> None:
    _timed(records)["norm_tuning"]["relative_to"]["ratio"] = {"median": 1.03, "low": 0.89, "high": 1.18}
    row = _row(table3(frame_of(records)), "Norm-Tuning")
    assert row[2] == "≈ 100 (89-118)"
    assert row[4] == "≈ +26"  # of 76.67


def test_contention_is_named(records) -> None:
    _timed(records)["fixed"]["contention"] = {"others_percent": 31.0, "contended_rounds": 5}
    assert "up to 31 % of the processors while these rows were timed" in table3(frame_of(records)).caption


def test_without_results_there_is_no_table() -> None:
    assert table3(frame_of([])) is None
