"""What a training step needs, simulated or measured on a GPU, and whether it stays under a limit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from drystep.cuda.rules import DEFAULT_PRECISION, DEFAULT_PROFILE, Rules, rules_of
from drystep.errors import choose
from drystep.measure.cuda_run import holds, run_on_cuda
from drystep.memory.verdict import CardVerdict
from drystep.pytest_plugin.limits import Limit, parse_limit
from drystep.simulation import Simulation, judge
from drystep.simulator import simulate
from drystep.trace.recorder import WARM_UP_STEPS, BuildStep
from drystep.units import VISIBLE_BYTES, mib_text
from drystep.values.oracles import Oracles

ENGINES = ("auto", "simulate", "cuda")
SHOWN = 5
"""Modules that a message names."""


@dataclass(frozen=True)
class Options:
    """How to measure: as in `drystep.simulate`. A GPU runs the step as it stands, under its own rules and
    precision."""

    rules: Rules | str = DEFAULT_PROFILE
    precision: str = DEFAULT_PRECISION
    iterations: int = WARM_UP_STEPS + 1
    oracles: Oracles | None = None
    strict: bool = False

    @property
    def real(self) -> bool:
        """Whether a GPU can do it: it has neither another PyTorch's rules, nor a precision that the step does not."""
        return (rules_of(self.rules), self.precision) == (Rules(), DEFAULT_PRECISION)


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
    verdict: CardVerdict | None = None
    """Under the limit."""
    failure: tuple[str, ...] = ()
    """Lines that say how the limit was exceeded."""
    warnings: tuple[str, ...] = ()


def measure_step(
    build_step: BuildStep, limit: str | int | None = None, options: Options | None = None, engine: str = "auto"
) -> StepMemory:
    """Measure `build_step(device)`, as `drystep.simulate` takes it, and judge it under a limit.

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
            "on a GPU a step runs as it stands: leave rules and precision out (use torch.autocast in the step), "
            "or take the engine simulate"
        )
    if limit is not None and not _large_enough(limit):
        raise ValueError(f"this GPU has less memory than the limit of {limit.text}: take the engine simulate")


def _simulated(build_step: BuildStep, limit: Limit | None, options: Options) -> StepMemory:
    free = simulate(
        build_step,
        options.rules,
        options.precision,
        iterations=options.iterations,
        oracles=options.oracles,
        strict=options.strict,
    )
    bounded = None if limit is None else judge(free.trace, (), free.rules, limit.size_bytes)
    return StepMemory(
        how="simulated",
        device="",
        peak_allocated_bytes=free.peak_allocated_bytes,
        peak_reserved_bytes=free.peak_reserved_bytes,
        at_peak={name: size_bytes for name, size_bytes in free.at_peak.items() if size_bytes},
        peak_phase=free.peak_phase,
        limit=limit,
        verdict=None if bounded is None else bounded.verdict,
        failure=() if bounded is None else _failure(free, bounded),
        warnings=free.warnings,
    )


def _failure(free: Simulation, bounded: Simulation) -> tuple[str, ...]:
    """How a step exceeded the limit, or may exceed it; nothing if it fits."""
    if bounded.verdict == "depends":
        least, most = (mib_text(size_bytes) for size_bytes in free.peak_reserved_interval_bytes)
        return (f"it depends on the convolution algorithms that a card chooses: {least} to {most} reserved",)
    if bounded.verdict != "oom":
        return ()
    timeline = bounded.timeline
    operator = timeline.peak_operator
    place = f" of {operator.module}" if operator.module else ""
    modules = {row.module or "(no module)": row.total_bytes for row in timeline.by_module()[:SHOWN]}
    return (
        f"out of memory in {operator.phase}, at {operator.name}{place}: {mib_text(timeline.failed_request_bytes or 0)} "
        f"more asked for, {mib_text(timeline.peak.allocated_bytes)} allocated",
        f"without the limit: {mib_text(free.peak_allocated_bytes)} allocated, "
        f"{mib_text(free.peak_reserved_bytes)} reserved",
        f"alive when memory ran out: {listed(bounded.at_peak)}",
        f"most of it in: {listed(modules)}",
    )


def _measured(build_step: BuildStep, limit: Limit | None, options: Options) -> StepMemory:
    run = run_on_cuda(build_step, options.iterations, None if limit is None else limit.size_bytes)
    verdict: CardVerdict = "oom" if run.ran_out else "fits_with_retries" if run.alloc_retries else "fits"
    failure = (
        f"out of memory at {run.ran_out}",
        f"until then: {mib_text(run.peak_allocated_bytes)} allocated, {mib_text(run.peak_reserved_bytes)} reserved",
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


def listed(sizes: Mapping[Any, int]) -> str:
    """Named sizes, the largest first, as far as they can be seen."""
    parts = sorted(((size, name) for name, size in sizes.items() if size >= VISIBLE_BYTES), reverse=True)
    return ", ".join(f"{name.replace('_', ' ')} ({mib_text(size)})" for size, name in parts)
