"""What a training step of the user's own needs, simulated or on a GPU, and whether a limit holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from bench.memory_limit import Limit, parse_limit
from bench.own_cuda import holds, run_on_cuda
from bench.simulation.oracles import Oracles
from bench.simulation.recorder import BuildStep
from bench.simulation.replay import Verdict
from bench.simulation.simulation import WARM_UP_STEPS, Simulation, judge, simulate
from models.naming import choose

MIB = 1 << 20
ENGINES = ("auto", "simulate", "cuda")
VISIBLE_BYTES = MIB // 20
"""Less would read 0.0 MiB."""
SHOWN = 5
"""Modules that a message names."""


@dataclass(frozen=True)
class Options:
    """How to measure: as in `bench.simulate`. A GPU runs the step as it stands, in one profile and precision."""

    profile: str = "torch-2.11"
    precision: str = "fp32"
    iterations: int = WARM_UP_STEPS + 1
    oracles: Oracles | None = None

    @property
    def real(self) -> bool:
        """Whether a GPU can do it: it has neither another PyTorch's rules, nor a precision that the step does not."""
        return (self.profile, self.precision) == ("torch-2.11", "fp32")


@dataclass(frozen=True)
class StepMemory:
    """What a step needs."""

    how: Literal["simulated", "measured"]
    device: str
    """Name of the GPU; "" for a simulation."""
    peak_allocated_bytes: int
    """Without the limit in a simulation; on a GPU under it."""
    peak_reserved_bytes: int
    at_peak: dict[str, int] = field(default_factory=dict)
    """Bytes at the peak by what they are for; empty on a GPU, whose allocator does not know."""
    peak_phase: str = ""
    limit: Limit | None = None
    verdict: Verdict | None = None
    """Under the limit."""
    failure: tuple[str, ...] = ()
    """Lines that say how the limit was exceeded."""
    warnings: tuple[str, ...] = ()


def measure_step(
    build_step: BuildStep, limit: str | int | None = None, options: Options | None = None, engine: str = "auto"
) -> StepMemory:
    """Measure `build_step(device)`, as `bench.simulate` takes it, and judge it under a limit.

    "auto" takes the GPU where there is one that is larger than the limit, and nothing but a simulation can state is
    asked for. Raises `ValueError` for an unknown name or an engine that cannot do it.
    """
    options, bound = options or Options(), None if limit is None else parse_limit(limit)
    choose("engine", engine, ENGINES)
    if engine == "cuda":
        _require_real(options, bound)
    elif engine == "simulate" or not options.real or not torch.cuda.is_available() or not _large_enough(bound):
        return _simulated(build_step, bound, options)
    return _measured(build_step, bound, options)


def _large_enough(limit: Limit | None) -> bool:
    return limit is None or holds(limit.size_bytes)


def _require_real(options: Options, limit: Limit | None) -> None:
    if not torch.cuda.is_available():
        raise ValueError("no CUDA device: take the engine auto or simulate")
    if not options.real:
        raise ValueError(
            "on a GPU a step runs as it stands: leave profile and precision out (use torch.autocast in the step), "
            "or take the engine simulate"
        )
    if limit is not None and not _large_enough(limit):
        raise ValueError(f"this GPU has less memory than the limit of {limit.text}: take the engine simulate")


def _simulated(build_step: BuildStep, limit: Limit | None, options: Options) -> StepMemory:
    free = simulate(
        build_step, options.profile, options.precision, iterations=options.iterations, oracles=options.oracles
    )
    bounded = None if limit is None else judge(free.trace, (), limit.size_bytes)
    return StepMemory(
        how="simulated",
        device="",
        peak_allocated_bytes=free.peak_allocated_bytes,
        peak_reserved_bytes=free.peak_reserved_bytes,
        at_peak={name: size_bytes for name, size_bytes in free.at_peak.items() if size_bytes},
        peak_phase=free.peak_phase,
        limit=limit,
        verdict=None if bounded is None else bounded.verdict,
        failure=_failure(free, bounded) if bounded is not None and bounded.verdict == "oom" else (),
        warnings=free.warnings,
    )


def _failure(free: Simulation, bounded: Simulation) -> tuple[str, ...]:
    timeline = bounded.timeline
    operator = timeline.peak_operator
    place = f" of {operator.module}" if operator.module else ""
    modules = {row.module or "(no module)": row.total_bytes for row in timeline.by_module()[:SHOWN]}
    return (
        f"out of memory in {operator.phase}, at {operator.name}{place}: {mib(timeline.failed_request_bytes or 0)} "
        f"more asked for, {mib(timeline.peak.allocated_bytes)} allocated",
        f"without the limit: {mib(free.peak_allocated_bytes)} allocated, {mib(free.peak_reserved_bytes)} reserved",
        f"alive when memory ran out: {listed(bounded.at_peak)}",
        f"most of it in: {listed(modules)}",
    )


def _measured(build_step: BuildStep, limit: Limit | None, options: Options) -> StepMemory:
    run = run_on_cuda(build_step, options.iterations, None if limit is None else limit.size_bytes)
    verdict: Verdict = "oom" if run.ran_out else "fits_with_retries" if run.alloc_retries else "fits"
    failure = (
        f"out of memory at {run.ran_out}",
        f"until then: {mib(run.peak_allocated_bytes)} allocated, {mib(run.peak_reserved_bytes)} reserved",
    )
    return StepMemory(
        how="measured",
        device=run.device,
        peak_allocated_bytes=run.peak_allocated_bytes,
        peak_reserved_bytes=run.peak_reserved_bytes,
        limit=limit,
        verdict=verdict,
        failure=failure if run.ran_out else (),
    )


def mib(size_bytes: int) -> str:
    """A size for people."""
    return f"{size_bytes / MIB:,.1f} MiB"


def listed(sizes: Mapping[Any, int]) -> str:
    """Named sizes, the largest first, as far as they can be seen."""
    parts = sorted(((size, name) for name, size in sizes.items() if size >= VISIBLE_BYTES), reverse=True)
    return ", ".join(f"{name.replace('_', ' ')} ({mib(size)})" for size, name in parts)
