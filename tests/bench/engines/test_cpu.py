import statistics
import time

import psutil
import pytest

from bench import Case
from bench.cases.training_step import batch_shapes
from bench.engines import cpu, foresight
from bench.engines.cpu_session import time_phases
from bench.engines.settings import Settings
from bench.engines.timings import Timings, relative_to
from drystep.gpus.classes import select_gpus

SMALL = {"task": "voc", "backbone": "swin_tiny", "image_size": (32, 32), "batch_size": 1, "engine": "cpu"}


@pytest.mark.nightly
def test_times_come_from_the_phases_in_turns_with_full() -> None:
    said: list[str] = []
    cases = [Case(method=method, **SMALL) for method in ("full", "e3va")]
    results = list(cpu.measure_all(cases, cases, select_gpus(["p100-16gb"]), Settings(steps=3), said.append))
    for result, case in zip(results, cases, strict=True):
        assert (result.case, result.status) == (case, "ok")
        step = result.time["step_ms"]
        assert len(step["samples"]) == 3
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
    assert said == []


@pytest.mark.nightly
def test_without_full_in_the_grid_nothing_is_timed_in_turns() -> None:
    case = Case(method="fixed", **SMALL)
    (result,) = cpu.measure_all([case], [case], [], Settings(steps=1), print)
    assert "relative_to" not in result.time


def test_a_step_of_known_duration() -> None:
    durations_ms = {"forward": 60, "backward": 100, "optimizer": 40}

    def step(ended) -> None:
        for phase, duration_ms in durations_ms.items():
            time.sleep(duration_ms / 1e3)
            ended(phase)

    timings = Timings()
    for _ in range(5):
        timings.add(time_phases(step), 1.0)
    fields = timings.as_fields()
    # The best of five: what a busy machine adds is not the clock's error.
    assert min(timings.samples_ms) == pytest.approx(200, rel=0.05)
    for phase, duration_ms in durations_ms.items():
        assert min(timings.phases[phase]) == pytest.approx(duration_ms, rel=0.05)
        assert fields[f"{phase}_ms"] >= duration_ms


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
