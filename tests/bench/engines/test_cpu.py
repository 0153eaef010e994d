import statistics
import time

import psutil
import pytest

from bench import Case
from bench.engines import cpu
from bench.gpus import select_gpus
from bench.training_step import batch_shapes

SMALL = {"task": "voc", "backbone": "swin_tiny", "image_size": (32, 32), "batch_size": 1, "engine": "cpu"}


def test_times_come_from_the_phases() -> None:
    said: list[str] = []
    cases = [Case(method=method, **SMALL) for method in ("fixed", "e3va")]
    results = cpu.measure(cases, select_gpus(["p100-16gb"]), steps=3, say=said.append)
    for result, case in zip(results, cases, strict=True):
        assert (result.case, result.status) == (case, "ok")
        step = result.time["step_ms"]
        assert len(step["samples"]) == 3
        assert step["median"] == pytest.approx(statistics.median(step["samples"]), abs=1e-3)
        assert step["p10"] <= step["median"] <= step["p90"]
        assert all(result.time[f"{phase}_ms"] > 0 for phase in ("forward", "backward", "optimizer"))
        assert "threads" in result.environment["device"]
        assert result.fits.keys() == {"p100-16gb"}
    assert said == []


def test_a_step_of_known_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: clock_s)

    class Optimizer:
        def zero_grad(self) -> None:
            pass

    class Step:
        optimizer = Optimizer()
        slowness = 1

        def __call__(self, ended) -> None:
            nonlocal clock_s
            for phase, seconds in (("forward", 0.02), ("backward", 0.04), ("optimizer", 0.01)):
                clock_s += seconds * self.slowness
                ended(phase)
            self.slowness += 1

    timings, step = cpu.Timings(), Step()
    for _ in range(3):
        timings.time(step)
    fields = timings.as_fields()
    assert fields["step_ms"] == {"median": 140, "p10": 84, "p90": 196, "samples": [70, 140, 210]}
    assert (fields["forward_ms"], fields["backward_ms"], fields["optimizer_ms"]) == (40, 80, 20)
    assert fields["phases_ms"] == {
        "forward": {"median": 40, "p10": 24, "p90": 56},
        "backward": {"median": 80, "p10": 48, "p90": 112},
        "optimizer": {"median": 20, "p10": 12, "p90": 28},
    }


def test_what_does_not_fit_this_machine_is_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    available = psutil.virtual_memory()._replace(available=100 << 20)
    monkeypatch.setattr("psutil.virtual_memory", lambda: available)
    (result,) = cpu.measure([Case(method="full", **SMALL)], select_gpus(), steps=1, say=print)
    assert result.status == "error"
    assert "this case needs about" in result.message
    assert "this machine has 0.1 GiB left" in result.message


def test_what_takes_minutes_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.engines.cpu._flops_per_second", lambda: 1e6)
    monkeypatch.setattr("bench.engines.cpu._trace", lambda case, gpus: pytest.fail("not asked for"))
    said: list[str] = []
    refusal = cpu._foresee([Case(method="full", **SMALL)], steps=5, say=said.append)
    assert refusal == ""
    (line,) = said
    assert "minutes on this CPU (8 real steps each)" in line


def test_a_run_is_foreseen_by_its_largest_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.engines.cpu._flops_per_second", lambda: 1e6)
    case = Case(task="voc", method="fixed", backbone="swin_tiny", image_size=(64, 96), batches=3, engine="cpu")
    said: list[str] = []
    assert cpu._foresee([case], steps=5, say=said.append) == ""
    assert "minutes on this CPU (10 real steps each)" in said[0]  # 2 to warm up, one per batch, 5 timed
    largest, shapes = cpu._on_largest_batch(case), batch_shapes(case)
    assert largest.batches == 1
    assert largest.image_size == shapes[-1].image_size
    assert largest.gt_boxes == max(shape.gt_boxes for shape in shapes)
