import pytest

from bench.engines.timing.rounds import LEAST_BUDGET_S, MOST_FURTHER_ROUNDS, TOLERANCE, TimedRounds, time_rounds
from bench.engines.timing.turns import Round
from tests.bench.engines.timing.scripted import Script, round_of, turn

CALM, CONTENDED = round_of(50.0), round_of(70.0, others_ms=90.0)
NOISY = [round_of(own_ms) for own_ms in (50.0, 40.0, 60.0, 45.0, 55.0)]


def _time(script: Script, steps: int = 5, left_s: float = 1e6) -> TimedRounds:
    return time_rounds(script.take, steps, lambda: left_s, script.wait, script.clock)


def test_calm_rounds_of_one_ratio_are_enough() -> None:
    script = Script([CALM])
    found = _time(script)
    assert (script.taken, found.timed, found.waited_s) == ([0, 1, 2, 3, 4], 5, 0.0)
    assert found.kept == [CALM] * 5
    assert found.contention_fields() is None


def test_a_case_without_a_reference_takes_what_was_asked_for() -> None:
    assert _time(Script([Round(turn(50.0)), Round(turn(90.0))]), steps=2).timed == 2


def test_contended_rounds_are_waited_out_and_left_out() -> None:
    script = Script([CALM, CONTENDED, CALM, CONTENDED, CONTENDED, CALM, CALM, CALM], calm_after_s=0.25)
    found = _time(script)
    assert found.kept == [CALM] * 5
    assert found.timed == 8
    # Round 4 was contended, and the machine was calm when round 5 was.
    assert len(script.waits) == 1
    assert found.waited_s == 0.25
    assert found.contention_fields() is None


def test_waiting_in_vain_leaves_time_to_try_again() -> None:
    """The wait takes all that it may, half of the budget."""
    script = Script([CONTENDED, CALM], calm_after_s=LEAST_BUDGET_S)
    assert _time(script, steps=1).kept == [CALM] * 5
    assert script.waits == [pytest.approx((LEAST_BUDGET_S - 0.1) / 2)]


def test_contention_that_lasts_is_named() -> None:
    script = Script([CALM, CALM, CONTENDED], calm_after_s=1.0)
    found = _time(script)
    assert found.kept == [CALM, CALM, CONTENDED, CONTENDED, CONTENDED]
    fields = found.contention_fields()
    assert (fields["rounds"], fields["contended_rounds"], fields["timed_rounds"]) == (5, 3, found.timed)
    # In each contended round, 90 of 2 x 170 ms; the two turns themselves take 170.
    assert fields["others_percent"] == pytest.approx(100 * 90 / 340, abs=0.05)
    assert fields["own_percent"] == 50.0
    assert 0 < fields["waited_s"] <= LEAST_BUDGET_S
    assert fields["load_1min"] is None or fields["load_1min"] >= 0


def test_the_least_contended_rounds_fill_up() -> None:
    worst, bad = round_of(90.0, others_ms=200.0), round_of(60.0, others_ms=60.0)
    assert _time(Script([worst, bad, worst, bad, worst], seconds=10.0), steps=2).kept == [bad, bad]


@pytest.mark.parametrize(("seconds", "budget_s"), [(0.1, LEAST_BUDGET_S), (2.0, 4.0)])
def test_noise_is_timed_longer_within_the_budget(seconds: float, budget_s: float) -> None:
    """Three seconds, or two rounds; no round begins that would end later."""
    script = Script([*NOISY * 10], seconds=seconds)
    found = _time(script)
    assert 5 < found.timed <= 5 + MOST_FURTHER_ROUNDS
    assert script.now <= 5 * seconds + budget_s + 1e-9
    assert len(found.kept) == found.timed


def test_rounds_end_as_soon_as_the_median_is_known() -> None:
    """Six of eight ratios are 0.5, and the interval of eight leaves out the least and the largest."""
    script = Script([round_of(own_ms) for own_ms in (50.0, 40.0, 60.0, 50.0, 50.0, 50.0, 50.0, 50.0)])
    assert _time(script).timed == 8


def test_a_tolerated_spread_needs_no_more() -> None:
    within = round_of(50.0 * (1 + 0.9 * TOLERANCE))
    assert _time(Script([CALM, within, CALM, within, CALM])).timed == 5
    beyond = round_of(50.0 * (1 + 1.1 * TOLERANCE))
    assert _time(Script([CALM, beyond, CALM, beyond, CALM])).timed > 5


def test_few_steps_are_timed_until_there_is_an_interval() -> None:
    assert _time(Script([CALM]), steps=1).timed == 5


def test_further_rounds_leave_the_time_limit_alone() -> None:
    """Of 0.5 s that are left, further rounds of 0.1 s take half."""
    assert _time(Script([*NOISY * 10]), left_s=0.5).timed == 7


def test_no_more_rounds_than_the_most() -> None:
    assert _time(Script([*NOISY * 10], seconds=1e-6)).timed == 5 + MOST_FURTHER_ROUNDS
