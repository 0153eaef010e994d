import math

import pandas as pd
import pytest

from bench.engines.timing.median_interval import CONFIDENCE
from reports.cells import MISSING
from reports.times.shares import CONFIDENCE_PERCENT, NOT_IN_TURNS, Shares, shares_of_full

Interval = tuple[float | None, float | None, float | None]


def _rows(**ratios: Interval | None) -> pd.DataFrame:
    """Ratio to Full and its interval, per method; None where a method was not timed."""
    rows = {
        name: dict.fromkeys(("relative_to_full", "relative_low", "relative_high", "step_ms"))
        if found is None
        else dict(zip(("relative_to_full", "relative_low", "relative_high", "step_ms"), (*found, 1.0), strict=True))
        for name, found in ratios.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


ALONE: Interval = (None, None, None)


def _cells(**ratios: Interval | None) -> list[str]:
    return shares_of_full(_rows(**ratios), "full").cells(100.0)


def test_the_confidence_that_captions_state() -> None:
    assert CONFIDENCE_PERCENT == 100 * CONFIDENCE


def test_figures_that_are_told_apart() -> None:
    assert _cells(full=ALONE, a=(0.5, 0.45, 0.55), b=(0.75, 0.7, 0.8), c=(1.2, 1.1, 1.3)) == [
        "100.0", "50.0", "75.0", "120.0",
    ]  # fmt: skip


def test_what_is_not_told_apart_from_full_is_no_more_than_full() -> None:
    assert _cells(full=ALONE, a=(1.03, 0.89, 1.18)) == ["100.0", "≈ 100 (89-118)"]


def test_neighbours_that_overlap_say_so_and_others_do_not() -> None:
    found = _cells(full=ALONE, a=(0.50, 0.48, 0.52), b=(0.56, 0.53, 0.60), c=(0.59, 0.57, 0.61))
    assert found == ["100.0", "50.0", "≈ 56 (53-60)", "≈ 59 (57-61)"]


def test_a_wide_interval_reaches_beyond_its_neighbour() -> None:
    found = _cells(full=ALONE, a=(0.50, 0.48, 0.52), b=(0.56, 0.53, 0.60), c=(0.70, 0.50, 0.90))
    assert found == ["100.0", "≈ 50 (48-52)", "≈ 56 (53-60)", "≈ 70 (50-90)"]


def test_no_share_without_steps_in_turns() -> None:
    """Full's own time is no base: it was taken at another moment."""
    assert _cells(full=ALONE, a=ALONE, b=None) == ["100.0", NOT_IN_TURNS, MISSING]
    assert _cells(full=None, a=(0.5, 0.4, 0.6)) == [MISSING, "50.0"]


def test_too_few_steps_for_an_interval_are_not_sure() -> None:
    assert _cells(full=ALONE, a=(0.52, None, None), b=(0.9, 0.85, 0.95)) == ["100.0", "≈ 52", "90.0"]


SHARES = shares_of_full(_rows(base=(0.4, 0.38, 0.42), a=(0.6, 0.57, 0.63), b=(0.41, 0.36, 0.46), c=None))


def _ends(shares: Shares, row: str) -> tuple[float, float, float]:
    return tuple(round(part[row], 6) for part in (shares.percent, shares.low, shares.high))


def test_above_a_base() -> None:
    above = SHARES.above("base")
    # 60/40 - 1; at least 57/42 - 1 and at most 63/38 - 1.
    assert _ends(above, "a") == (50.0, round(100 * (57 / 42 - 1), 6), round(100 * (63 / 38 - 1), 6))
    assert above.cells(0.0, sign=True) == ["+0.0", "+50.0", "≈ +0 (-14 to +21)", MISSING]


def test_points_above_a_row_and_the_share_of_what_is_above() -> None:
    points = SHARES.minus("base")
    assert _ends(points, "a") == (20.0, 15.0, 25.0)
    assert _ends(points, "b") == (1.0, -6.0, 8.0)
    assert points.cells(0.0, sign=True) == ["+0.0", "+20.0", "≈ +0 (-6 to +8)", MISSING]
    share = points.of("a")
    assert share is not None
    # 1 of 20; from -6 of 15 to 8 of 15.
    assert _ends(share, "b") == (5.0, -40.0, round(100 * 8 / 15, 6))
    assert _ends(share, "base") == (0.0, 0.0, 0.0)
    assert _ends(share, "a") == (100.0, 100.0, 100.0)


@pytest.mark.parametrize("base", ["b", "base", "c", "elsewhere"])
def test_no_share_of_what_may_be_nothing(base: str) -> None:
    assert SHARES.minus("base").of(base) is None


def test_speeds() -> None:
    speed = SHARES.inverse()
    assert speed.percent["base"] == pytest.approx(250.0)
    assert (speed.low["base"], speed.high["base"]) == (pytest.approx(1e4 / 42), pytest.approx(1e4 / 38))


def test_inferences_have_ratios_of_their_own() -> None:
    rows = _rows(a=(0.5, 0.4, 0.6)).assign(
        inference_relative_to_full=0.25, inference_relative_low=0.2, inference_relative_high=0.3
    )
    assert shares_of_full(rows, of="inference_relative").percent["a"] == 25.0


def test_rows_may_be_pairs() -> None:
    rows = _rows(full=ALONE, a=(0.5, 0.4, 0.6))
    rows.index = pd.MultiIndex.from_tuples([("full", False), ("full", True)], names=["method", "checkpointing"])
    assert shares_of_full(rows, ("full", False)).cells(100.0) == ["100.0", "50.0"]


def test_figures_beyond_reason_are_written_all_the_same() -> None:
    assert _cells(full=ALONE, a=(1e300, 1e300, 1e308))[1]
    assert _cells(full=ALONE, a=(math.inf, 1.0, math.inf))[1] == "≈ 100 (100-inf)"
