"""Result of a simulated training step: peaks, verdicts for cards, a timeline, and predicted times."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from drystep.alloc_conf import AllocatorSettings
from drystep.gpus.classes import Gpu, select_gpus
from drystep.memory.kept import kept_for_backward_bytes
from drystep.memory.replay import Replay, replay
from drystep.memory.sizes import DEFAULT_SETTINGS, round_size
from drystep.memory.timeline import Timeline, timeline
from drystep.memory.verdict import Verdict
from drystep.time.operations import flops_by_phase
from drystep.time.predict import StepTime, predict
from drystep.trace.trace import Category, Phase, Trace


@dataclass(frozen=True)
class Fit:
    """Whether a step runs on a card, decided by replaying it under the card's usable memory."""

    verdict: Verdict
    usable_bytes: int
    peak_reserved_bytes: int
    """Highest sum of reserved memory on that card, up to the failure if it ran out of memory."""
    alloc_retries: int


@dataclass(frozen=True)
class Simulation:
    """Memory of the simulated training steps. All figures are without the workspaces of convolutions."""

    trace: Trace
    """Every allocation and free, for further analysis."""
    peak_allocated_bytes: int
    peak_reserved_bytes: int
    alloc_retries: int
    verdict: Verdict
    """Verdict under `capacity_bytes` if it was given; otherwise "fits"."""
    peak_phase: Phase
    peak_step: int
    """Number of the step with the allocated peak, from 0."""
    at_peak: dict[Category, int]
    fits: dict[str, Fit]
    """By name of the GPU class."""
    capacity_bytes: int | None = None
    """Limit on what the allocator may reserve, if one was given."""
    allocator_settings: AllocatorSettings = DEFAULT_SETTINGS
    """How PyTorch's allocator was configured, in all figures."""
    whole_card: bool = False
    """Whether the capacity is what a card has, rather than a limit that PyTorch was given."""

    warnings: tuple[str, ...] = ()
    """Unusual things about the step, such as memory that it never frees."""

    @property
    def peak_allocated_interval_bytes(self) -> tuple[int, int]:
        """Least and most of the allocated peak: without and with the workspaces that convolutions can do without.

        Where a card lies between them depends on the kernels that cuDNN selects there. Neither bound takes a capacity
        into account.
        """
        return self._interval("peak_allocated_bytes")

    @property
    def peak_reserved_interval_bytes(self) -> tuple[int, int]:
        """Least and most of the reserved peak, as `peak_allocated_interval_bytes`."""
        return self._interval("peak_reserved_bytes")

    def _interval(self, figure: str) -> tuple[int, int]:
        both = [
            getattr(replay(self.trace, workspaces=with_them, allocator_settings=self.allocator_settings), figure)
            for with_them in (False, True)
        ]
        return min(both), max(both)

    @property
    def allocated_after_step_bytes(self) -> int:
        """What stays allocated after the last step: parameters, optimizer state, and all that the step keeps."""
        alive = self.trace.alive_after(len(self.trace.events) - 1)
        sizes = (self.trace.allocations[index].requested_bytes for index in alive)
        return sum(round_size(size_bytes, self.allocator_settings) for size_bytes in sizes)

    def step_time(self, gpu: str | Gpu) -> StepTime:
        """Predict the time of a step on a GPU class, which is given by name or as a `Gpu`.

        Raises `ValueError`, which names the missing field, if a peak of the card is unknown or it lacks a precision.
        """
        card = gpu if isinstance(gpu, Gpu) else select_gpus([gpu])[0]
        return predict(self.trace, card.peaks, card.name)

    def flops(self, module: str = "") -> dict[Phase, int]:
        """Count the floating-point operations of a step by phase, in all modules or within the one with that path."""
        return flops_by_phase(self.trace, module)

    def saved_bytes(self, module: str = "") -> int:
        """Sum what a step keeps from forward for backward, of all modules or of the one with that path."""
        return kept_for_backward_bytes(self.trace, module)

    @functools.cached_property
    def timeline(self) -> Timeline:
        """Memory over the step of the peak, and what is alive then; under `capacity_bytes` if it was given."""
        return timeline(
            self.trace,
            self.capacity_bytes,
            allocator_settings=self.allocator_settings,
            whole_card=self.whole_card,
        )


def judge(
    trace: Trace,
    gpus: Sequence[Gpu],
    capacity_bytes: int | None = None,
    allocator_settings: AllocatorSettings = DEFAULT_SETTINGS,
    whole_card: bool = False,
) -> Simulation:
    """Replay a trace without limit (or under `capacity_bytes`), and under the usable memory of each GPU class.

    PyTorch's allocator is configured as `allocator_settings` say. The capacity is a limit that it was given, or, with
    `whole_card`, what a card has: a `garbage_collection_threshold` acts only under such a limit.
    """
    unlimited = replay(trace, allocator_settings=allocator_settings)
    outcome = unlimited
    if capacity_bytes is not None:
        outcome = replay(trace, capacity_bytes, allocator_settings=allocator_settings, whole_card=whole_card)
    return Simulation(
        trace=trace,
        peak_allocated_bytes=outcome.peak_allocated_bytes,
        peak_reserved_bytes=outcome.peak_reserved_bytes,
        alloc_retries=outcome.alloc_retries,
        verdict=outcome.verdict,
        peak_phase=outcome.peak_phase,
        peak_step=outcome.peak_step,
        at_peak=outcome.at_peak,
        fits={gpu.name: _fit(trace, gpu, unlimited, allocator_settings) for gpu in gpus},
        capacity_bytes=capacity_bytes,
        allocator_settings=allocator_settings,
        whole_card=whole_card,
    )


def _fit(trace: Trace, gpu: Gpu, unlimited: Replay, settings: AllocatorSettings) -> Fit:
    capped = unlimited
    if unlimited.peak_reserved_bytes > gpu.usable_bytes:  # a limit that is never reached changes nothing on a card
        capped = replay(trace, gpu.usable_bytes, allocator_settings=settings, whole_card=True)
    return Fit(capped.verdict, gpu.usable_bytes, capped.peak_reserved_bytes, capped.alloc_retries)
