"""The simulate engine: a case on meta tensors, at full size, in seconds and without a GPU."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from bench.case import Case
from bench.engines.fields import worst_batch
from bench.environment import describe_environment
from bench.gpus import Gpu
from bench.results import Result
from bench.simulation.simulation import WARM_UP_STEPS, Simulation, judge, trace_steps
from bench.simulation.trace import BuildStep, Trace
from bench.training_step import PreparedCase, prepare

META = torch.device("meta")


def measure(case: Case, gpus: Sequence[Gpu]) -> Result:
    """Simulate one case."""
    prepared = prepare(case, META)
    simulation = judge(trace_case(case, prepared.build_step, META), gpus)
    return Result(
        case=case,
        status="ok",
        environment=describe_environment("simulate", device="none (simulated)"),
        params=prepared.params,
        memory=memory_fields(prepared, simulation),
        fits=fit_fields(simulation),
    )


def trace_case(case: Case, build_step: BuildStep, device: torch.device) -> Trace:
    """Record the warm-up and then one step for each batch of a case."""
    steps = WARM_UP_STEPS + case.batches
    return trace_steps(build_step, device, case.profile, case.precision, steps, steady_steps=case.batches)


def memory_fields(prepared: PreparedCase, simulation: Simulation) -> dict[str, Any]:
    """The `memory` of a result line; that of a run says which batch had the allocated peak."""
    names = ("peak_allocated_bytes", "peak_reserved_bytes", "peak_phase", "at_peak")
    fields = {name: getattr(simulation, name) for name in names}
    if len(prepared.shapes) == 1:
        return fields
    return {**fields, "worst_batch": worst_batch(prepared, simulation.peak_step - WARM_UP_STEPS)}


def fit_fields(simulation: Simulation) -> dict[str, dict[str, Any]]:
    """The `fits` of a result line."""
    return {name: asdict(fit) for name, fit in simulation.fits.items()}
