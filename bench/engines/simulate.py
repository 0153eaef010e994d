"""The simulate engine: a case on meta tensors, at full size, in seconds and without a GPU."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from bench.case import Case
from bench.environment import describe_environment
from bench.gpus import Gpu
from bench.results import Result
from bench.simulation.simulation import Simulation, judge, trace_steps
from bench.training_step import prepare

META = torch.device("meta")


def measure(case: Case, gpus: Sequence[Gpu]) -> Result:
    """Simulate one case."""
    prepared = prepare(case, META)
    simulation = judge(trace_steps(prepared.build_step, META, case.profile, case.precision), gpus)
    return Result(
        case=case,
        status="ok",
        environment=describe_environment(device="none (simulated)"),
        params=prepared.params,
        memory=memory_fields(simulation),
        fits=fit_fields(simulation),
    )


def memory_fields(simulation: Simulation) -> dict[str, Any]:
    """The `memory` of a result line."""
    names = ("peak_allocated_bytes", "peak_reserved_bytes", "peak_phase", "at_peak")
    return {name: getattr(simulation, name) for name in names}


def fit_fields(simulation: Simulation) -> dict[str, dict[str, Any]]:
    """The `fits` of a result line."""
    return {name: asdict(fit) for name, fit in simulation.fits.items()}
