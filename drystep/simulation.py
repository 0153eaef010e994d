"""What a simulation says of a training step: peaks, verdicts of cards, a timeline, predicted times."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from drystep.gpus.classes import Gpu, select_gpus
from drystep.memory.replay import Replay, Verdict, replay
from drystep.memory.timeline import Timeline, timeline
from drystep.time.predict import StepTime, predict
from drystep.trace.trace import Category, Phase, Trace


@dataclass(frozen=True)
class Fit:
    """Whether a step runs on a card, decided by replaying it under the card's usable memory."""

    verdict: Verdict
    usable_bytes: int
    peak_reserved_bytes: int
    """What was reserved at most on that card, up to the failure if it ran out of memory."""
    alloc_retries: int


@dataclass(frozen=True)
class Simulation:
    """What training steps need. All figures are simulated, without the workspaces of convolutions."""

    trace: Trace
    """Every allocation and free, for whoever wants to look deeper."""
    peak_allocated_bytes: int
    peak_reserved_bytes: int
    alloc_retries: int
    verdict: Verdict
    """Under `capacity_bytes`, if one was given; else "fits"."""
    peak_phase: Phase
    peak_step: int
    """Number of the step with the allocated peak, from 0."""
    at_peak: dict[Category, int]
    fits: dict[str, Fit]
    """Per GPU class."""
    capacity_bytes: int | None = None
    """What the allocator may reserve, if that was asked."""

    warnings: tuple[str, ...] = ()
    """What is odd about the step, such as memory that it never frees."""

    @property
    def reserved_interval_bytes(self) -> tuple[int, int]:
        """Least and most of what is reserved: without, and with, the workspaces that convolutions can do without.

        Which holds depends on the kernels that cuDNN picks on a card. No capacity bounds either.
        """
        both = [replay(self.trace, workspaces=with_them).peak_reserved_bytes for with_them in (False, True)]
        return min(both), max(both)

    def step_time(self, gpu: str | Gpu) -> StepTime:
        """Predicted time of a step on a GPU class, by name or of one's own.

        Raises `ValueError` that names the field if the card's peaks are not known or it lacks a precision.
        """
        card = gpu if isinstance(gpu, Gpu) else select_gpus([gpu])[0]
        return predict(self.trace, card.peaks, card.name)

    @functools.cached_property
    def timeline(self) -> Timeline:
        """Memory over the last step, and what is alive at its peak; under `capacity_bytes`, if one was given."""
        return timeline(self.trace, self.capacity_bytes)


def judge(trace: Trace, gpus: Sequence[Gpu], capacity_bytes: int | None = None) -> Simulation:
    """Replay a trace without limit (or under `capacity_bytes`), and under the usable memory of each GPU class."""
    outcome = replay(trace, capacity_bytes)
    unlimited = outcome if capacity_bytes is None else replay(trace)
    return Simulation(
        trace=trace,
        peak_allocated_bytes=outcome.peak_allocated_bytes,
        peak_reserved_bytes=outcome.peak_reserved_bytes,
        alloc_retries=outcome.alloc_retries,
        verdict=outcome.verdict,
        peak_phase=outcome.peak_phase,
        peak_step=outcome.peak_step,
        at_peak=outcome.at_peak,
        fits={gpu.name: _fit(trace, gpu, unlimited) for gpu in gpus},
        capacity_bytes=capacity_bytes,
    )


def _fit(trace: Trace, gpu: Gpu, unlimited: Replay) -> Fit:
    # A cap that the unlimited run never touches changes nothing: no need to replay.
    capped = unlimited if unlimited.peak_reserved_bytes <= gpu.usable_bytes else replay(trace, gpu.usable_bytes)
    return Fit(capped.verdict, gpu.usable_bytes, capped.peak_reserved_bytes, capped.alloc_retries)
