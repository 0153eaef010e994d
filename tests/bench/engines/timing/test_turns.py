import json

import pytest

from bench.engines.timing.turns import Round, Turn, least_disturbed, take_round, timings_of
from tests.bench.engines.timing.scripted import round_of, turn


def test_a_turn_survives_json() -> None:
    one = turn(80.0, others_ms=3.0)
    assert Turn.from_fields(json.loads(json.dumps(one.as_fields()))) == one


def test_every_other_round_begins_with_the_reference() -> None:
    calls: list[str] = []

    def timed(name: str, found: Turn) -> Turn:
        calls.append(name)
        return found

    for number in range(4):
        found = take_round(number, lambda: timed("own", turn(50.0)), lambda: timed("full", turn(100.0)))
        assert (found.own, found.reference) == (turn(50.0), turn(100.0))
    assert calls == ["full", "own", "own", "full", "full", "own", "own", "full"]


def test_a_case_may_have_no_reference() -> None:
    found = take_round(0, lambda: turn(50.0), None)
    assert found == Round(turn(50.0))
    assert found.ratio is None
    assert take_round(1, lambda: turn(50.0), lambda: None).ratio is None


def test_ratio_and_use_of_both_turns() -> None:
    found = round_of(50.0, 200.0, others_ms=25.0)
    assert found.ratio == 0.25
    assert (found.use.wall_ms, found.use.others_ms) == (250.0, 25.0)
    assert found.use.others_share == pytest.approx(25 / 500)


def test_a_round_is_contended_if_either_turn_is() -> None:
    assert not Round(turn(50.0), turn(100.0)).is_contended
    assert Round(turn(50.0, others_ms=50.0), turn(100.0)).is_contended
    assert Round(turn(50.0), turn(100.0, others_ms=50.0)).is_contended


def test_all_calm_rounds_are_kept_in_order() -> None:
    calm = [round_of(own_ms) for own_ms in (50.0, 51.0, 52.0)]
    bad, worse = round_of(60.0, others_ms=60.0), round_of(61.0, others_ms=100.0)
    rounds = [calm[0], worse, calm[1], bad, calm[2]]
    assert least_disturbed(rounds, 2) == calm
    assert least_disturbed(rounds, 4) == [calm[0], calm[1], bad, calm[2]]
    assert least_disturbed(rounds, 5) == rounds


def test_times_of_turns() -> None:
    timings = timings_of([turn(40.0, inference_ms=2.0), turn(80.0, inference_ms=3.0)])
    assert timings.samples_ms == [40.0, 80.0]
    assert timings.phases["forward"] == [20.0, 40.0]
    assert timings.inference_ms == [2.0, 3.0]
