import statistics
from collections.abc import Callable

import psutil
import pytest

from bench import Case
from bench.cases.training_step import batch_shapes
from bench.engines import cpu, foresight
from bench.engines.cpu_session import time_phases
from bench.engines.settings import Settings
from bench.engines.timing.timings import Timings, relative_to
from bench.engines.timing.turns import Turn
from drystep.gpus.classes import select_gpus
from drystep.measure.failure import ChildError, Failure
from tests.bench.engines.timing.scripted import turn

SMALL = {"task": "voc", "backbone": "swin_tiny", "image_size": (32, 32), "batch_size": 1, "engine": "cpu"}


@pytest.mark.nightly
def test_times_come_from_the_phases_in_turns_with_full() -> None:
    said: list[str] = []
    cases = [Case(method=method, **SMALL) for method in ("full", "e3va")]
    results = list(cpu.measure_all(cases, cases, select_gpus(["p100-16gb"]), Settings(steps=3), said.append))
    for result, case in zip(results, cases, strict=True):
        assert (result.case, result.status) == (case, "ok")
        step = result.time["step_ms"]
        assert len(step["samples"]) >= 3
        assert step["median"] == pytest.approx(statistics.median(step["samples"]), abs=1e-3)
        assert step["p10"] <= step["median"] <= step["p90"]
        assert all(result.time[f"{phase}_ms"] > 0 for phase in ("forward", "backward", "optimizer"))
        assert result.time["inference_ms"]["median"] > 0
        assert "threads" in result.environment["device"]
        assert result.fits.keys() == {"p100-16gb"}
    full, e3va = results
    assert "relative_to" not in full.time
    relative = e3va.time["relative_to"]
    assert relative["method"] == "full"
    pairs = zip(e3va.time["step_ms"]["samples"], relative["step_ms"]["samples"], strict=True)
    ratios = [own / other for own, other in pairs]
    assert relative["ratio"]["median"] == pytest.approx(statistics.median(ratios), abs=1e-3)
    assert relative["inference_ratio"]["median"] > 0
    assert relative["ratio"]["low"] <= relative["ratio"]["median"] <= relative["ratio"]["high"]
    assert all("other processes took" in line for line in said)


@pytest.mark.nightly
def test_without_full_in_the_grid_nothing_is_timed_in_turns() -> None:
    case = Case(method="fixed", **SMALL)
    (result,) = cpu.measure_all([case], [case], [], Settings(steps=1), print)
    assert "relative_to" not in result.time


def test_a_step_of_known_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 3.0
    monkeypatch.setattr("bench.engines.cpu_session.time.perf_counter", lambda: now_s)

    def step(ended: Callable[[str], None]) -> None:
        nonlocal now_s
        for phase, duration_ms in (("forward", 60), ("backward", 100), ("optimizer", 40)):
            now_s += duration_ms / 1e3
            ended(phase)

    assert time_phases(step) == pytest.approx({"forward": 60.0, "backward": 100.0, "optimizer": 40.0})


def test_spread_and_ratios_by_arithmetic() -> None:
    own, other = Timings(), Timings()
    for slowness in (1, 2, 3):
        own.add({"forward": 20 * slowness, "backward": 40 * slowness, "optimizer": 10 * slowness}, 5 * slowness)
        other.add({"forward": 70, "backward": 70, "optimizer": 0}, 20)
    fields = own.as_fields()
    assert fields["step_ms"] == {"median": 140, "p10": 84, "p90": 196, "samples": [70, 140, 210]}
    assert (fields["forward_ms"], fields["backward_ms"], fields["optimizer_ms"]) == (40, 80, 20)
    assert fields["phases_ms"]["backward"] == {"median": 80, "p10": 48, "p90": 112}
    relative = relative_to("full", own, other)
    assert fields["inference_ms"] == {"median": 10, "p10": 6, "p90": 14}
    assert relative["ratio"] == {"median": 1.0, "p10": 0.6, "p90": 1.4}
    assert relative["inference_ratio"] == {"median": 0.5, "p10": 0.3, "p90": 0.7}
    assert relative["step_ms"]["samples"] == [140, 140, 140]


def test_five_ratios_have_an_interval() -> None:
    own, other = Timings(), Timings()
    for step_ms in (50, 40, 60, 45, 70):
        own.add({"forward": step_ms, "backward": 0, "optimizer": 0}, step_ms)
        other.add({"forward": 100, "backward": 0, "optimizer": 0}, 50)
    relative = relative_to("full", own, other)
    assert {name: relative["ratio"][name] for name in ("median", "low", "high")} == {
        "median": 0.5, "low": 0.4, "high": 0.7,
    }  # fmt: skip
    assert (relative["inference_ratio"]["low"], relative["inference_ratio"]["high"]) == (0.8, 1.4)


FULL, FIXED = (Case(method=method, **SMALL) for method in ("full", "fixed"))


class _Timed:
    """In the place of a process: turns of a case, one after the other; the last one repeats."""

    left_s = 1e6

    def __init__(self, *turns: Turn) -> None:
        self.turns = turns
        self.calls = 0

    def call(self, name: str) -> dict[str, object]:
        assert name == "time_turn"
        self.calls += 1
        return self.turns[min(self.calls, len(self.turns)) - 1].as_fields()


class _Reference(_Timed):
    """In the place of `References`; fails from the given call on."""

    def __init__(self, *turns: Turn, fails_at: int = 10**9) -> None:
        super().__init__(*turns)
        self.fails_at = fails_at

    def time_turn(self, wanted: Case) -> Turn:
        assert wanted == FULL
        found = Turn.from_fields(self.call("time_turn"))
        if self.calls >= self.fails_at:
            raise ChildError(Failure("signal", "it was killed", "timing"))
        return found


def test_each_step_is_divided_by_that_of_its_round() -> None:
    """The machine becomes three times slower in the middle, for both."""
    child, reference = (
        cls(*(turn(factor * step_ms) for factor in (1, 1, 1, 3, 3)))
        for cls, step_ms in ((_Timed, 60.0), (_Reference, 100.0))
    )
    fields = cpu._time(child, reference, FULL, Settings(steps=5), pytest.fail)
    assert fields["step_ms"]["samples"] == [60.0, 60.0, 60.0, 180.0, 180.0]
    assert fields["relative_to"]["ratio"] == {"median": 0.6, "p10": 0.6, "p90": 0.6, "low": 0.6, "high": 0.6}
    assert (child.calls, reference.calls) == (5, 5)


def test_a_reference_that_fails_costs_the_ratio_alone() -> None:
    said: list[str] = []
    child, reference = _Timed(turn(60.0)), _Reference(turn(100.0), fails_at=3)
    fields = cpu._time(child, reference, FULL, Settings(steps=5), said.append)
    assert len(fields["step_ms"]["samples"]) == 5
    assert "relative_to" not in fields
    assert (len(said), reference.calls) == (1, 3)
    assert said[0].endswith(", timed in turns: it was killed")


def test_contention_is_in_the_result_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.engines.timing.rounds.LEAST_BUDGET_S", 0.0)
    child = _Timed(turn(60.0, others_ms=60.0))
    fields = cpu._time(child, _Reference(turn(60.0)), FULL, Settings(steps=5), pytest.fail)
    contention = fields["contention"]
    assert (contention["rounds"], contention["contended_rounds"], contention["others_percent"]) == (5, 5, 25.0)
    text = cpu._contention_text(FIXED, contention)
    assert text.endswith(
        "other processes took 25 % of the processors during 5 of 5 timed steps, so its times are too long"
    )
    assert text.startswith(FIXED.title)


def test_what_does_not_fit_this_machine_is_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    available = psutil.virtual_memory()._replace(available=100 << 20)
    monkeypatch.setattr("psutil.virtual_memory", lambda: available)
    case = Case(method="full", **SMALL)
    (result,) = cpu.measure_all([case], [case], select_gpus(), Settings(steps=1), print)
    assert (result.status, result.failure["kind"]) == ("error", "refused")
    assert "this case needs about" in result.message
    assert "this machine has 0.1 GiB left" in result.message


def test_what_takes_minutes_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.engines.foresight._flops_per_second", lambda: 1e6)
    line = foresight.announcement(Case(method="fixed", **SMALL), Case(method="full", **SMALL), steps=5)
    assert "minutes on this CPU (8 real steps)" in line


def test_a_run_is_foreseen_by_its_largest_batch() -> None:
    case = Case(task="voc", method="fixed", backbone="swin_tiny", image_size=(64, 96), batches=3, engine="cpu")
    largest, shapes = foresight._on_largest_batch(case), batch_shapes(case)
    assert largest.batches == 1
    assert largest.image_size == shapes[-1].image_size
    assert largest.gt_boxes == max(shape.gt_boxes for shape in shapes)
