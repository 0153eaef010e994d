"""What PyTorch's allocator and the card's clock say about a step, phase by phase."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import Any

import torch

from drystep.measure.phases import FOLLOWING, PhasedStep, PhaseTimes, StepPhase


@dataclass(frozen=True)
class Peaks:
    """The most that a stretch of time has held (`torch.cuda.memory_stats`)."""

    peak_allocated_bytes: int
    peak_active_bytes: int
    """Allocated, and freed but still in use on another stream."""
    peak_reserved_bytes: int

    @classmethod
    def read(cls) -> "Peaks":
        """Since the last reset."""
        stats = torch.cuda.memory_stats()
        return cls(*(stats.get(f"{name}_bytes.all.peak", 0) for name in ("allocated", "active", "reserved")))

    def __or__(self, other: "Peaks") -> "Peaks":
        """The most of both."""
        return Peaks(*map(max, asdict(self).values(), asdict(other).values()))


NOTHING = Peaks(0, 0, 0)


@dataclass(frozen=True)
class Events:
    """What the allocator had to do since the process began."""

    alloc_retries: int
    """Times it gave its cache back to the driver to go on."""
    ooms: int

    @classmethod
    def read(cls) -> "Events":
        """Until now."""
        stats = torch.cuda.memory_stats()
        return cls(stats.get("num_alloc_retries", 0), stats.get("num_ooms", 0))


class StepCounter:
    """Runs steps and reads the peaks of each phase; `began` hears of the phase that comes.

    Waits for the card at the end of each phase, so that what fails there fails in it: not for measuring time.
    """

    def __init__(self, began: Callable[[str], None]) -> None:
        self.began = began
        self.seen = NOTHING

    def count(self, step: PhasedStep) -> dict[StepPhase, Peaks]:
        """One step."""
        phases: dict[StepPhase, Peaks] = {}

        def ended(phase: StepPhase) -> None:
            phases[phase] = self._read()
            self.began(FOLLOWING[phase])

        self._read()
        self.began("forward")
        step(ended)
        return phases

    def peaks_so_far(self) -> Peaks:
        """Of all steps, up to where the last one may have failed."""
        return self.seen | Peaks.read()

    def _read(self) -> Peaks:
        """The peaks since the last reading."""
        torch.cuda.synchronize()
        peaks = Peaks.read()
        self.seen |= peaks
        torch.cuda.reset_peak_memory_stats()
        return peaks


def whole(phases: Mapping[StepPhase, Peaks]) -> Peaks:
    """The peaks of a step."""
    return reduce(or_, phases.values())


def worst_step(steps: Sequence[Mapping[StepPhase, Peaks]]) -> int:
    """Which step allocated most."""
    return max(range(len(steps)), key=lambda index: whole(steps[index]).peak_allocated_bytes)


def memory_fields(first: Mapping[StepPhase, Peaks], steady: Sequence[Mapping[StepPhase, Peaks]]) -> dict[str, Any]:
    """The `memory` of a result line: of the steps that count, and of the first (optimizer state appears in it)."""
    phases = {phase: peaks.peak_allocated_bytes for phase, peaks in steady[worst_step(steady)].items()}
    return {
        **asdict(reduce(or_, map(whole, steady))),
        "peak_phase": max(phases, key=lambda phase: phases[phase]),
        "at_peak": None,  # the allocator does not know what is a gradient
        "phase_peaks": phases,
        "first_step": asdict(whole(first)),
        **asdict(Events.read()),
    }


def time_steps(step: PhasedStep, steps: int) -> list[PhaseTimes]:
    """Milliseconds of each phase of some steps, by events on the card; nothing waits until all are on their way."""
    marks: list[dict[str, torch.cuda.Event]] = []

    def mark(name: str) -> None:
        marks[-1][name] = _event()

    torch.cuda.synchronize()
    for _ in range(steps):
        marks.append({})
        mark("start")
        step(mark)
    torch.cuda.synchronize()
    return [
        {
            "forward": events["start"].elapsed_time(events["forward"]),
            "backward": events["forward"].elapsed_time(events["backward"]),
            "optimizer": events["backward"].elapsed_time(events["optimizer"]),
        }
        for events in marks
    ]


def time_calls(call: Callable[[], None], calls: int) -> list[float]:
    """Milliseconds of each of some calls, by events on the card."""
    torch.cuda.synchronize()
    marks = [_event()]
    for _ in range(calls):
        call()
        marks.append(_event())
    torch.cuda.synchronize()
    return [start.elapsed_time(end) for start, end in pairwise(marks)]


def _event() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event
