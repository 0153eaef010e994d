"""Coordinates of the picture of a step's memory."""

import re

from drystep.commands.answer.curves import COLUMNS, HEADROOM, ROWS, curve, picture

GIB = 1 << 30


def _explained(allocated: list[int], operators: list[str]) -> dict:
    """One moment per operator; the first operator of the trace shown is number 100."""
    peak = max(allocated)
    return {
        "peak": {"operator": 100 + allocated.index(peak), "allocated_bytes": peak, "reserved_bytes": peak},
        "moments": {
            "operator": list(range(100, 100 + len(allocated))),
            "allocated_bytes": allocated,
            "reserved_bytes": [2 * size for size in allocated],
        },
        "operators": [{"index": 100 + number, "phase": phase} for number, phase in enumerate(operators)],
    }


def test_a_step_function() -> None:
    assert curve([0.0, 0.5], [0.25, 1.0]) == f"M0 750 H0 V750 H500 V0 H{COLUMNS}"


def test_many_moments_keep_the_highest_and_lowest_point_of_each_column() -> None:
    count = 20 * COLUMNS
    heights = [0.5] * count
    heights[12_345], heights[12_346] = 1.0, 0.0
    path = curve([number / count for number in range(count)], heights)
    assert re.findall(r"H617( V\d+)( V\d+)( V\d+)( V\d+)", path) == [(" V500", " V0", f" V{ROWS}", " V500")]
    assert len(path) < 20 * COLUMNS


def test_no_moment_is_an_empty_step() -> None:
    assert curve([], []) == f"M0 {ROWS} H{COLUMNS}"


def test_places_are_shares_of_the_picture() -> None:
    drawn = picture(
        _explained([1 * GIB, 4 * GIB, 2 * GIB, 1 * GIB], ["forward", "backward", "backward", "optimizer"]), {}
    )
    assert [(span["phase"], span["x"], span["width"]) for span in drawn["spans"]] == [
        ("forward", "0.00", "25.00"), ("backward", "25.00", "50.00"), ("optimizer", "75.00", "25.00"),
    ]  # fmt: skip
    top = 8 * GIB * HEADROOM  # reserved is the highest
    assert drawn["peak"]["x"] == "25.00"
    assert drawn["peak"]["y"] == f"{100 * (1 - 4 * GIB / top):.2f}"
    assert [tick["label"] for tick in drawn["ticks"]] == ["2 GiB", "4 GiB", "6 GiB", "8 GiB"]


def test_cards_near_the_peak_have_a_line() -> None:
    step = _explained([4 * GIB], ["forward"])
    drawn = picture(step, {"near": 10 * GIB, "as near": 10 * GIB + 1, "far": 80 * GIB})
    assert [card["label"] for card in drawn["cards"]] == ["near: 10.0 GiB usable"]


def test_a_small_step_is_measured_in_mib() -> None:
    drawn = picture(_explained([3 << 20], ["forward"]), {})
    assert [tick["label"] for tick in drawn["ticks"]] == ["2 MiB", "4 MiB", "6 MiB"]
