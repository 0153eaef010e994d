"""A machine with a card that is none: sessions run in this process, one at a time, on a fake device."""

import functools
import json
import os
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch

from bench import Case
from bench.cases.training_step import prepare
from bench.engines import cuda, cuda_session, simulate
from bench.engines.cuda_session import CudaSession
from bench.proof import perform, run, simulations
from bench.proof.sessions import calibration, snapshot
from drystep.cuda.meta_cache import META
from drystep.gpus.classes import Gpu
from drystep.measure import nvml
from drystep.measure.cards import Card
from drystep.measure.failure import ChildError, Failure, describe, kind_of
from drystep.memory.replay import Observer, replay
from drystep.time.measured_operators import measured_cards
from drystep.trace.trace import Trace
from tests.drystep.measure.fake_cuda import FakeCuda

GIB = 1 << 30
MIB = 1 << 20
CARD = Card(0, "Fake 80GB", 80 * GIB, "GPU-0-1", "9.0")
HOPPER = Gpu("fake-80gb", "Fake 80GB", 81920, 0, compute_capability="9.0")
CONTEXT_BYTES = 500 * MIB
HELD = {"full": 12 * GIB, "e3va": 3 * GIB, "adapter": 100 * GIB}
"""Method -> what its step allocates on the card. That of any other method fails."""
PHASES_MS = {"forward": 3.0, "backward": 5.0, "optimizer": 1.0}
INFERENCE_MS = 0.5
ONE_AT_A_TIME = threading.RLock()
"""Simulations replace functions of PyTorch for the whole process."""


def tiny(method: str, precision: str = "fp32") -> Case:
    """A case that a processor steps through in a moment."""
    return Case(
        task="voc", method=method, backbone="swin_tiny", image_size=(64, 64), batch_size=1, precision=precision,
        engine="cuda",
    )  # fmt: skip


class FakeChild:
    """A process that is none: its session is opened when it is first asked."""

    fake: FakeCuda
    opened: list[tuple[str, Any]]
    """Sessions in the order in which they were opened, with the method of their case."""

    def __init__(self, opener: str, arguments: dict, time_limit_s: float, *others: Any) -> None:
        self.opener, self.arguments, self.time_limit_s, self.left_s = opener, arguments, time_limit_s, time_limit_s
        self.session: Any = None
        self.phase = "opening"
        self.closed = False

    def __enter__(self) -> "FakeChild":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.closed = True

    def call(self, name: str, **arguments: Any) -> Any:
        with ONE_AT_A_TIME:
            try:
                if self.session is None:
                    self._open()
                return json.loads(json.dumps(getattr(self.session, name)(**arguments)))
            except Exception as error:
                so_far = self.session.so_far() if self.session else {}
                raise ChildError(Failure(kind_of(error), describe(error), self.phase, so_far)) from error

    def _open(self) -> None:
        module, _, name = self.opener.partition(":")
        if "Simulate" not in self.opener:
            fake = self.fake
            fake.allocated = fake.peak = fake.reserved = fake.ooms = 0
            fake.fraction = 1.0
            FakeChild.opened.append((name, (self.arguments.get("case") or {}).get("method")))
        sent = json.loads(json.dumps(self.arguments))
        self.session = getattr(import_module(module), name)(**sent, note_phase=self._note)

    def _note(self, phase: str) -> None:
        self.phase = phase


class FakeCardSession(CudaSession):
    """The real session, whose step also takes memory and time of the fake card."""

    def _built(self) -> Any:
        return HeldStep(super()._built(), self.case.method)


class HeldStep:
    """A step on the fake card, of which the processor runs the first alone."""

    def __init__(self, step: Any, method: str) -> None:
        self.step, self.method = step, method
        self.optimizer = step.optimizer
        self.ran = False

    def infer(self) -> None:
        FakeChild.fake.now_ms += INFERENCE_MS

    def __call__(self, ended: Any = lambda phase: None) -> None:
        if self.method not in HELD:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        fake = FakeChild.fake

        def phase_ended(phase: str) -> None:
            fake.now_ms += PHASES_MS[phase]
            ended(phase)

        fake.hold(HELD[self.method])
        if self.ran:
            for phase in PHASES_MS:
                phase_ended(phase)
        else:
            self.step(phase_ended)
            self.ran = True
        fake.hold(-HELD[self.method])


def install(monkeypatch: Any) -> FakeCuda:
    """Make all of `bench.proof` find the fake card."""
    fake = FakeCuda(monkeypatch)
    FakeChild.fake, FakeChild.opened = fake, []
    for module in (cuda, perform, simulations):
        monkeypatch.setattr(module, "Child", FakeChild)
    for module in (cuda_session, calibration, snapshot):
        monkeypatch.setattr(module, "CUDA", torch.device("cpu"))
    for module in (cuda, run):
        monkeypatch.setattr(module, "cards", lambda: (CARD,))
    monkeypatch.setattr(cuda, "SESSION", f"{__name__}:{FakeCardSession.__name__}")
    monkeypatch.setattr(simulations, "processes_beside", lambda: 1)
    monkeypatch.setattr(run, "processes_beside", lambda: 1)
    monkeypatch.setattr(nvml, "occupancy", lambda uuid, pid: _occupancy(fake))
    monkeypatch.setattr(nvml, "driver_version", lambda: "580.1")
    monkeypatch.setattr(simulate, "trace_case", _traced)
    monkeypatch.setattr(os, "nice", lambda by: 0)  # this process is to stay as it is
    monkeypatch.setattr(perform, "TESTS_SESSION", f"{__name__}:{FakeTests.__name__}")
    _install_recording(monkeypatch)
    _install_calibration(monkeypatch)
    return fake


def _occupancy(fake: FakeCuda) -> nvml.Occupancy:
    return nvml.Occupancy(fake.reserved + CONTEXT_BYTES, None, ())


class FakeTests:
    """Tests that ran."""

    def __init__(self, note_phase: Any) -> None:
        note_phase("tests")

    def run(self) -> dict:
        return {"exit_status": 1, "counts": {"passed": 4, "failed": 1}, "failed": {"test_a.py::test": "E\nE assert 1"}}

    def so_far(self) -> dict:
        return {}


EXTRA_BYTES = 12_345 * 512
"""A request that the card makes and no simulation."""


def _install_recording(monkeypatch: Any) -> None:
    """The recording of a step is that of its simulation, and a request more at the end."""
    taken: list[int] = []

    def entries() -> dict:
        before, whole = _recorded()
        taken.append(1)
        return {"device_traces": [before if len(taken) % 2 else whole]}

    monkeypatch.setattr(snapshot, "record_memory", lambda entries: None)
    monkeypatch.setattr(snapshot, "memory_snapshot", entries)
    monkeypatch.setattr(torch.cuda, "init", lambda: None)


@functools.cache
def _recorded() -> tuple[list[dict], list[dict]]:
    """Entries up to the last step, and all."""
    trace = _traced(tiny("full"), prepare(tiny("full"), META).build_step, META, None)
    recorder = Recorder(trace.events, trace.iteration_starts[-1])
    for event, (index, _, _) in enumerate(trace.events):
        recorder.sizes[event] = trace.allocations[index].requested_bytes
    replay(trace, observer=recorder, architecture="9.0")  # which the card says that it has
    extra = [_entry("segment_alloc", 1, 20 * MIB), _entry("alloc", 1, EXTRA_BYTES)]
    return recorder.before, [*recorder.entries, *extra]


class Recorder(Observer):
    """Writes what an allocator does as PyTorch's recording has it."""

    def __init__(self, events: Sequence[object], last_step: int) -> None:
        self.entries: list[dict] = []
        self.before: list[dict] = []
        """What is there when the last step begins."""
        self.sizes = [0] * len(events)
        self._last_step = last_step

    def segment_allocated(self, address: int, size_bytes: int, pool: str) -> None:
        self.entries.append(_entry("segment_alloc", address, size_bytes))

    def block_allocated(self, event: int, block: Any, stats: object) -> None:
        self._add(event, "alloc", block.address)

    def block_freed(self, event: int, address: int, stats: object) -> None:
        self._add(event, "free_completed", address)

    def _add(self, event: int, action: str, address: int) -> None:
        if event >= self._last_step and not self.before:
            self.before = list(self.entries)
        self.entries.append(_entry(action, address, self.sizes[event]))


def _entry(action: str, address: int, size_bytes: int) -> dict:
    return {"action": action, "addr": address, "size": size_bytes, "stream": 0}


TRACES: list[Trace] = []
trace_really = simulate.trace_case


def _traced(case: Case, build_step: Any, device: torch.device, card: Any = None) -> Trace:
    """The trace of Full, which takes seconds, for all cases: whatever comes first."""
    if not TRACES:
        TRACES.append(trace_really(tiny("full"), prepare(tiny("full"), META).build_step, META, HOPPER))
    return TRACES[0]


def _install_calibration(monkeypatch: Any) -> None:
    card = next(name for name in measured_cards() if "H100" in name)
    peaks = {"fp32_tflops": 50.0, "fp16_tflops": 800.0, "bf16_tflops": 800.0, "bandwidth_gbs": 3000.0}
    monkeypatch.setattr("drystep.time.calibrate.measure_card", lambda device: [])
    monkeypatch.setattr("drystep.time.calibrate.peaks_from", lambda found: (card, peaks))
    fakes = {
        "empty_cache": lambda: None,
        "is_current_stream_capturing": lambda: False,
        "get_device_capability": lambda device: (9, 0),
        "mem_get_info": lambda device: (79 * GIB, 80 * GIB),
        "memory_reserved": lambda device: 0,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
