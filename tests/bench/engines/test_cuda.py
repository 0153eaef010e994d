"""The cuda engine: its arithmetic on a card that the tests make up, and, where there is one, on a real card."""

from dataclasses import replace

import pytest
import torch

from bench import Case, Result
from bench.engines import cuda
from bench.engines.cuda_session import CudaSession, limit_allocator
from bench.engines.settings import Settings
from drystep.gpus.classes import Gpu, select_gpus
from drystep.measure import nvml
from drystep.measure.cards import Card, classes_for
from drystep.measure.counters import StepCounter, memory_fields, time_calls, time_steps, worst_step
from drystep.measure.failure import ChildError, Failure
from tests.drystep.measure.fake_cuda import FakeCuda

MIB = 1 << 20
CASE = Case(task="voc", method="full", backbone="swin_tiny", image_size=(64, 64), batch_size=1, engine="cuda")
CARD = Card(0, "Fake 80GB", 80 << 30, "GPU-0-1")
SETTINGS = Settings(steps=2)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_peaks_are_those_of_each_phase(monkeypatch) -> None:
    fake = FakeCuda(monkeypatch)
    phases: list[str] = []

    def step(ended) -> None:
        for phase, held, left in (("forward", 100, 60), ("backward", 90, -40), ("optimizer", 10, -20)):
            fake.hold(held)
            fake.hold(left - held)
            ended(phase)

    counter = StepCounter(phases.append)
    fake.hold(1000)
    first, second = counter.count(step), counter.count(step)
    assert {phase: peaks.peak_allocated_bytes for phase, peaks in first.items()} == {
        "forward": 1100, "backward": 1150, "optimizer": 1030,
    }  # fmt: skip
    assert counter.peaks_so_far().peak_allocated_bytes == 1150
    assert phases == ["forward", "backward", "optimizer", "between steps"] * 2
    fake.hold(5)
    third = counter.count(step)
    fields = memory_fields(first, [second, third])
    assert worst_step([second, third]) == 1
    assert (fields["peak_allocated_bytes"], fields["peak_phase"]) == (1155, "backward")
    assert fields["first_step"]["peak_allocated_bytes"] == 1150
    assert fields["peak_reserved_bytes"] == 1155
    assert (fields["alloc_retries"], fields["ooms"]) == (0, 0)


def test_what_ran_out_of_memory_keeps_its_phase_and_peak(monkeypatch) -> None:
    fake = FakeCuda(monkeypatch, total_bytes=1000)
    fake.fraction = 0.5

    def step(ended) -> None:
        fake.hold(400)
        ended("forward")
        fake.hold(200)

    phases: list[str] = []
    counter = StepCounter(phases.append)
    with pytest.raises(torch.OutOfMemoryError):
        counter.count(step)
    assert phases[-1] == "backward"
    assert counter.peaks_so_far().peak_allocated_bytes == 400


def test_times_are_between_events(monkeypatch) -> None:
    fake = FakeCuda(monkeypatch)

    def step(ended) -> None:
        for phase, duration_ms in (("forward", 3.0), ("backward", 5.0), ("optimizer", 1.0)):
            fake.now_ms += duration_ms
            ended(phase)

    assert time_steps(step, 2) == [{"forward": 3.0, "backward": 5.0, "optimizer": 1.0}] * 2
    assert time_calls(lambda: step(lambda phase: None), 3) == [9.0] * 3


@pytest.mark.parametrize("gpu", select_gpus(), ids=lambda gpu: gpu.name)
@pytest.mark.parametrize("total_bytes", [80 << 30, 85899345920 + 12345, 34_079_899_648 + 1])
def test_the_limit_is_the_classes_usable_bytes_to_the_byte(monkeypatch, gpu: Gpu, total_bytes: int) -> None:
    fake = FakeCuda(monkeypatch, total_bytes)
    limit_allocator(0, gpu.usable_bytes)
    assert int(fake.fraction * total_bytes) == gpu.usable_bytes  # as c10 computes it


def test_a_limit_above_the_card_is_refused(monkeypatch) -> None:
    FakeCuda(monkeypatch, total_bytes=8 << 30)
    with pytest.raises(ValueError, match="is more than the card's"):
        limit_allocator(0, 9 << 30)
    with pytest.raises(ValueError, match="rtx-3090-24gb has 23613 MiB to use, and Fake 80GB only 16384 MiB in all"):
        classes_for(select_gpus(), "Fake 80GB", 16 << 30, named=True)
    assert [gpu.name for gpu in classes_for(select_gpus(), "Fake 80GB", 16 << 30, named=False)] == [
        "gtx-1080ti-11gb",
        "p100-16gb",
    ]


class FakeChild:
    """A session that needs 12 GiB, and answers without a process."""

    NEEDED = 12 << 30
    opened: list[int | None]

    def __init__(self, capacity_bytes: int | None) -> None:
        self.capacity_bytes = capacity_bytes
        FakeChild.opened.append(capacity_bytes)

    def __enter__(self) -> "FakeChild":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def call(self, name: str, **arguments: object) -> object:
        if name == "time":
            return [({"forward": 1.0, "backward": 2.0, "optimizer": 3.0}, 0.5)] * arguments["steps"]
        if self.capacity_bytes is not None and self.capacity_bytes < self.NEEDED:
            memory = {"peak_reserved_bytes": self.capacity_bytes - 5, "alloc_retries": 1}
            raise ChildError(Failure("out_of_memory", "too much", "backward", {"memory": memory}))
        retries = int(self.capacity_bytes is not None and self.capacity_bytes < 16 << 30)
        reserved = min(self.capacity_bytes or 18 << 30, 18 << 30)
        return {
            "params": {"total": 1}, "environment": {"torch": "2"},
            "memory": {"peak_allocated_bytes": self.NEEDED, "peak_reserved_bytes": reserved, "alloc_retries": retries},
        }  # fmt: skip


def _measure(monkeypatch, names: list[str]) -> Result:
    FakeChild.opened = []
    monkeypatch.setattr(cuda, "open_case", lambda case, card, settings, capacity: FakeChild(capacity))
    return cuda.measure(CASE, CARD, select_gpus(names), SETTINGS)


def test_classes_are_judged_under_their_limits(monkeypatch) -> None:
    names = ["gtx-1080ti-11gb", "p100-16gb", "rtx-3090-24gb", "v100-32gb"]
    result = _measure(monkeypatch, names)
    assert (result.status, list(result.fits)) == ("ok", names)
    verdicts = {name: (fit["verdict"], fit["alloc_retries"]) for name, fit in result.fits.items()}
    assert verdicts == {
        "gtx-1080ti-11gb": ("oom", 1), "p100-16gb": ("fits_with_retries", 1),
        "rtx-3090-24gb": ("fits", 0), "v100-32gb": ("fits", 0),
    }  # fmt: skip
    assert result.fits["gtx-1080ti-11gb"]["phase"] == "backward"
    assert result.fits["p100-16gb"]["how"] == "simulated with an allocator limit on Fake 80GB"
    assert "never reaches the limit" in result.fits["v100-32gb"]["how"]
    p100, gtx = select_gpus(["p100-16gb", "gtx-1080ti-11gb"])
    assert FakeChild.opened == [None, p100.usable_bytes, gtx.usable_bytes]  # no process where no limit is reached
    assert result.time["step_ms"]["samples"] == [6.0, 6.0]
    assert result.time["inference_ms"]["median"] == 0.5


def test_what_ran_out_of_memory_needs_no_smaller_limit(monkeypatch) -> None:
    monkeypatch.setattr(FakeChild, "NEEDED", 17 << 30)
    result = _measure(monkeypatch, ["gtx-1080ti-11gb", "p100-16gb"])
    assert result.fits["p100-16gb"]["verdict"] == result.fits["gtx-1080ti-11gb"]["verdict"] == "oom"
    assert result.fits["gtx-1080ti-11gb"]["how"].startswith("implied by p100-16gb")
    assert len(FakeChild.opened) == 2


def test_a_busy_card_is_refused_or_said(monkeypatch) -> None:
    monkeypatch.setattr(cuda, "cards", lambda: (CARD,))
    monkeypatch.setattr(nvml, "occupancy", lambda uuid, pid: nvml.Occupancy(None, 5 << 30, (4711,)))
    with pytest.raises(ValueError, match="GPU 0 .* is in use: processes 4711 compute on it; wait, choose another"):
        cuda.require_idle(SETTINGS, print)
    said: list[str] = []
    cuda.require_idle(Settings(allow_busy=True), said.append)
    assert "times and what fits will suffer" in said[0]
    monkeypatch.setattr(nvml, "occupancy", lambda uuid, pid: nvml.Occupancy(None, 5 << 30, None))
    assert CARD.in_use() == "5120 MiB of it are taken"
    monkeypatch.setattr(nvml, "occupancy", lambda uuid, pid: nvml.UNKNOWN)
    assert CARD.in_use() == ""


def test_without_a_driver_nvml_says_nothing_rather_than_zero() -> None:
    if torch.cuda.is_available():
        assert nvml.driver_version()
    else:
        assert nvml.occupancy("GPU-0", 1) == nvml.UNKNOWN
        assert nvml.driver_version() is None


def test_each_case_sees_one_card(monkeypatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert replace(CARD, index=1).environment == {"CUDA_VISIBLE_DEVICES": "1"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert replace(CARD, index=1).environment == {"CUDA_VISIBLE_DEVICES": "5"}


@pytest.mark.gpu
@needs_gpu
def test_a_known_allocation_is_reported_exactly() -> None:
    held: list[torch.Tensor] = []

    def step(ended) -> None:
        held.append(torch.empty(64 * MIB, dtype=torch.uint8, device="cuda"))
        ended("forward")
        held.append(torch.empty(32 * MIB, dtype=torch.uint8, device="cuda"))
        ended("backward")
        held.clear()
        ended("optimizer")

    before = torch.cuda.memory_allocated()
    phases = StepCounter(lambda phase: None).count(step)
    peaks = [phases[phase].peak_allocated_bytes - before for phase in ("forward", "backward", "optimizer")]
    assert peaks == [64 * MIB, 96 * MIB, 96 * MIB]


@pytest.mark.gpu
@needs_gpu
def test_a_real_case_agrees_with_its_simulation() -> None:
    session = CudaSession(CASE.as_dict(), None, lambda phase: None)
    found = session.memory()
    assert found["memory"]["peak_allocated_bytes"] > 0
    assert len(session.time(3)) == 3
