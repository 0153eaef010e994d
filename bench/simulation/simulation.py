"""Memory of a training step without a GPU: trace it on meta tensors, replay the trace through the allocator."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from bench.gpus import Gpu, select_gpus
from bench.simulation.answers import Answers
from bench.simulation.errors import SimulationError, guarded
from bench.simulation.growth import growth_warning, leftovers
from bench.simulation.masks import MASK_REWRITES
from bench.simulation.moves import keeping_parameters
from bench.simulation.oracles import Oracles
from bench.simulation.recorder import BuildStep, record
from bench.simulation.replay import Replay, Verdict, replay
from bench.simulation.semantics import PROFILES, REWRITES, semantics
from bench.simulation.step_time import StepTime, predict
from bench.simulation.timeline import Timeline, timeline
from bench.simulation.trace import Category, Phase, Trace
from bench.simulation.workspaces import Workspaces
from models.naming import choose

META = torch.device("meta")
WARM_UP_STEPS = 2
"""Steps until optimizer state and the cache are there."""


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


def simulate(
    build_step: BuildStep,
    profile: str = "torch-2.11",
    precision: str = "fp32",
    iterations: int = WARM_UP_STEPS + 1,
    gpus: Sequence[str | Gpu] | None = None,
    capacity_bytes: int | None = None,
    steady_steps: int = 1,
    oracles: Oracles | None = None,
) -> Simulation:
    """Simulate the memory of anybody's training step on a GPU.

    `build_step(device)` builds model, optimizer and data on that device (it is the meta device) and returns a callable
    that is one training step: `zero_grad`, forward, `loss.backward()`, `optimizer.step()`, in the user's own order.
    The last `steady_steps` of the iterations count: take more than one if the step takes another batch each time.
    `gpus` are the classes to judge, by name or of one's own; all of `gpus.toml` by default. `oracles` state what
    depends on values. Raises `ValueError` for unknown names, and its `SimulationError` for a step that cannot be
    simulated, with the user's line and what to do about it.
    """
    classes = [gpu if isinstance(gpu, Gpu) else select_gpus([gpu])[0] for gpu in gpus or select_gpus()]
    build_step, answers = guarded(build_step), Answers(oracles)
    trace = trace_steps(build_step, META, profile, precision, iterations, steady_steps, answers)
    if not trace.allocations:
        raise SimulationError(
            "the step has nothing on the device: build the model and data on, or move them to, "
            "the device that build_step is given"
        )
    warnings = _oddities(trace, answers)
    if leftovers(trace):
        noting = Answers(oracles, note_places=True)  # lines take time, and only such a step needs them
        again = trace_steps(build_step, META, profile, precision, iterations, steady_steps, noting)
        warnings += [growth_warning(again, noting.places) or growth_warning(trace) or ""]
    return replace(judge(trace, classes, capacity_bytes), warnings=tuple(warnings))


def trace_steps(
    build_step: BuildStep,
    device: torch.device,
    profile: str,
    precision: str,
    iterations: int = WARM_UP_STEPS + 1,
    steady_steps: int = 1,
    answers: Answers | None = None,
) -> Trace:
    """Record training steps on `device` (meta, or the CPU for real) as a GPU would allocate for them.

    The last `steady_steps` of them count. Raises `ValueError` unless there are as many.
    """
    if not 1 <= steady_steps <= max(1, iterations):
        raise ValueError(f"steady_steps must be 1 to {iterations}, the number of iterations, not {steady_steps}")
    workspaces = Workspaces(PROFILES[choose("profile", profile, PROFILES)].shares_cublas)
    with semantics(profile, precision, device), keeping_parameters(device):
        return record(build_step, device, iterations, REWRITES | MASK_REWRITES, workspaces, answers, steady_steps)


def _oddities(trace: Trace, answers: Answers) -> list[str]:
    odd = [f"oracle {name!r} was never asked: nothing of that name needed it" for name in answers.stated.unused]
    if not any(allocation.category == "parameters" for allocation in trace.allocations):
        odd.append("no parameters on the device: neither a module nor an optimizer that has any there took part")
    return odd


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
