from bench.proof.clock import ITEM_LIMIT_S, RESERVE_S, USUAL_S, Clock
from bench.proof.plan import Item
from tests.bench.proof.fake_card import tiny

CASE, LIMITS = Item("case", tiny("full")), Item("limits", tiny("full"))


def test_time_runs_out() -> None:
    now = [100.0]
    clock = Clock(1, lambda: now[0])
    assert clock.left_s == 60 - RESERVE_S
    assert clock.limit_s() == clock.left_s
    assert Clock(60, lambda: now[0]).limit_s() == ITEM_LIMIT_S
    now[0] += 60
    assert clock.left_s == -RESERVE_S
    assert clock.limit_s() > 0  # a time limit of no time is none


def test_an_item_is_begun_if_the_median_of_its_kind_is_left() -> None:
    now = [0.0]
    clock = Clock(1, lambda: now[0])
    for seconds in (5.0, 30.0, 31.0):
        clock.note(CASE, seconds)
    now[0] = 60 - RESERVE_S - 31
    assert clock.allows(CASE)
    now[0] += 2
    assert not clock.allows(CASE)
    assert clock.allows(LIMITS)  # of which nothing is known but what is usual
    now[0] = 60 - RESERVE_S - USUAL_S["limits"] / 2
    assert not clock.allows(LIMITS)
