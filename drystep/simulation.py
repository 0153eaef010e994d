"""Result of a simulated training step: peaks, verdicts for cards, a timeline, and predicted times."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

from drystep.alloc_conf import AllocatorSettings
from drystep.cuda.rules import DEFAULT_PROFILE, PROFILES, Rules
from drystep.gpus.classes import Gpu, select_gpu
from drystep.memory.choices import Choices, Fit
from drystep.memory.kept import kept_for_backward_bytes
from drystep.memory.sizes import DEFAULT_SETTINGS, round_size
from drystep.memory.timeline import Timeline, timeline
from drystep.memory.verdict import CardVerdict
from drystep.time.operations import flops_by_phase
from drystep.time.predict import StepTime, predict
from drystep.trace.trace import Category, Phase, Trace
from drystep.values.assumptions import Assumption

DEFAULT_RULES = PROFILES[DEFAULT_PROFILE]


@dataclass(frozen=True)
class Simulation:
    """Memory of the simulated training steps.

    Single figures count the workspaces that cards of the rules' architecture are known to take; intervals also count
    those that they may take.
    """

    trace: Trace
    """Every allocation and free, for further analysis."""
    peak_allocated_bytes: int
    peak_reserved_bytes: int
    alloc_retries: int
    verdict: CardVerdict
    """Verdict under `capacity_bytes` if it was given; otherwise "fits"."""
    peak_phase: Phase
    peak_step: int
    """Number of the step with the allocated peak, from 0."""
    at_peak: dict[Category, int]
    fits: dict[str, Fit]
    """By name of the GPU class, each with the architecture of that card."""
    rules: Rules
    """By which the step was simulated."""
    choices: Choices = field(repr=False, compare=False)
    """Replays of the trace."""
    capacity_bytes: int | None = None
    """Limit on what the allocator may reserve, if one was given."""
    allocator_settings: AllocatorSettings = DEFAULT_SETTINGS
    """How PyTorch's allocator was configured, in all figures."""
    whole_card: bool = False
    """Whether the capacity is what a card has, rather than a limit that PyTorch was given."""

    warnings: tuple[str, ...] = ()
    """Unusual things about the step, such as memory that it never frees."""
    assumptions: tuple[Assumption, ...] = ()
    """What the step asked about values, and how it was answered."""

    @property
    def peak_allocated_interval_bytes(self) -> tuple[int, int]:
        """Least and most of the allocated peak: with the certain workspaces alone, and with all that are possible.

        Where a card lies between them depends on the algorithms that cuDNN chooses there. A capacity is not taken into
        account, except that with `cudnn_benchmark` no workspace exceeds what is free on the card of the rules.
        """
        return self._interval("peak_allocated_bytes")

    @property
    def peak_reserved_interval_bytes(self) -> tuple[int, int]:
        """Least and most of the reserved peak, as `peak_allocated_interval_bytes`."""
        return self._interval("peak_reserved_bytes")

    def _interval(self, figure: str) -> tuple[int, int]:
        card, architecture = self.rules.card, self.rules.architecture
        free_bytes = self.rules.usable_bytes(card) if self.rules.cudnn_benchmark and isinstance(card, Gpu) else None
        least = self.choices.replay(False, architecture)
        most = self.choices.replay(True, architecture, free_bytes)
        both = getattr(least, figure), getattr(most, figure)
        return min(both), max(both)

    @property
    def allocated_after_step_bytes(self) -> int:
        """What stays allocated after the last step: parameters, optimizer state, and all that the step keeps."""
        alive = self.trace.alive_after(len(self.trace.events) - 1)
        sizes = (self.trace.allocations[index].requested_bytes for index in alive)
        return sum(round_size(size_bytes, self.allocator_settings) for size_bytes in sizes)

    def step_time(self, gpu: str | Gpu, ranks: int = 1) -> StepTime:
        """Predict the time of a step on a GPU class, which is given by name or as a `Gpu`.

        `ranks` processes of DistributedDataParallel have one such card each, in one machine; then `exchange` of the
        result is the exchange of their gradients, which only rules with `ddp` count in the memory. Raises `ValueError`,
        which names the missing field, if a peak or the link of the card is unknown or it lacks a precision.
        """
        card = gpu if isinstance(gpu, Gpu) else select_gpu(gpu)
        return predict(self.trace, card.peaks, card.name, ranks)

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
            architecture=self.rules.architecture,
        )


def judge(
    trace: Trace,
    gpus: Sequence[Gpu],
    rules: Rules = DEFAULT_RULES,
    capacity_bytes: int | None = None,
    whole_card: bool = False,
    choices: Choices | None = None,
) -> Simulation:
    """Replay a trace without limit (or under `capacity_bytes`), and under the usable memory of each GPU class.

    `rules` are those by which the trace was recorded: they configure PyTorch's allocator, and say how much of a card
    the CUDA context takes. The capacity is a limit that the allocator was given, or, with `whole_card`, what a card
    has: a `garbage_collection_threshold` acts only under such a limit. `choices` are the replays of the same trace and
    allocator for another card, which are not repeated.
    """
    settings, architecture = rules.allocator_settings, rules.architecture
    cards = choices or Choices(trace, settings)
    outcome, verdict = cards.replay(False, architecture), None
    if capacity_bytes is not None:
        limited = Choices(trace, settings, whole_card)
        outcome = limited.replay(False, architecture, capacity_bytes)
        verdict = limited.fit(architecture, capacity_bytes).verdict
    return Simulation(
        trace=trace,
        peak_allocated_bytes=outcome.peak_allocated_bytes,
        peak_reserved_bytes=outcome.peak_reserved_bytes,
        alloc_retries=outcome.alloc_retries,
        verdict=verdict or outcome.verdict,
        peak_phase=outcome.peak_phase,
        peak_step=outcome.peak_step,
        at_peak=outcome.at_peak,
        fits={gpu.name: cards.fit(gpu.compute_capability, rules.usable_bytes(gpu)) for gpu in gpus},
        rules=rules,
        capacity_bytes=capacity_bytes,
        allocator_settings=settings,
        whole_card=whole_card,
        choices=cards,
    )
