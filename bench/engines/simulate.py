"""The simulate engine: a case on meta tensors, at full size, in seconds and without a GPU."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from bench.cases.case import Case
from bench.cases.training_step import PreparedCase, prepare
from bench.engines.cost import cost_fields
from bench.results.provenance import describe_environment
from bench.results.result import Result, failed_result
from drystep.cuda.meta_cache import META
from drystep.gpus.classes import Gpu
from drystep.measure.deadline import TimeLimitError, deadline
from drystep.measure.failure import Failure, describe, kind_of
from drystep.measure.kernels import without_tf32
from drystep.simulation import Simulation, judge
from drystep.simulator import trace_steps
from drystep.time.predict import roofline
from drystep.trace.recorder import WARM_UP_STEPS, BuildStep
from drystep.trace.trace import Trace

DEVICE = "none (simulated)"
"""What a result of this engine says that it was measured on."""


def measure(case: Case, gpus: Sequence[Gpu]) -> Result:
    """Simulate one case. Where it states no allocator settings, those of the environment count."""
    prepared = prepare(case, META)
    return result_of(case, prepared, simulate_prepared(case, prepared, gpus), gpus)


def simulate_prepared(case: Case, prepared: PreparedCase, gpus: Sequence[Gpu], card: Gpu | None = None) -> Simulation:
    """Simulate a case that was prepared on meta; `card` is the one whose architecture decides, where that is known."""
    trace = trace_case(case, prepared.build_step, META, card)
    return judge(trace, gpus, case.rules if card is None else replace(case.rules, card=card))


def result_of(case: Case, prepared: PreparedCase, simulation: Simulation, gpus: Sequence[Gpu]) -> Result:
    """The result of a simulated case, judged for these classes."""
    return Result(
        case=case,
        status="ok",
        environment=describe_environment("simulate", device=DEVICE),
        params=prepared.params,
        cost=cost_fields(prepared, simulation),
        memory=memory_fields(prepared, simulation),
        fits=fit_fields(simulation),
        predicted_time=time_fields(simulation, gpus),
    )


def measure_or_fail(case: Case, gpus: Sequence[Gpu], time_limit_s: float | None = None) -> Result:
    """Simulate one case in this process, in the time that it may take; None: as long as it takes.

    Whatever its model does wrong is a result with status "error", and costs no other case.
    """
    try:
        with deadline(time_limit_s):
            return measure(case, gpus)
    except TimeLimitError as error:
        failure = Failure("timeout", str(error), "simulation")
    except Exception as error:
        failure = Failure(kind_of(error), describe(error), "simulation")
    return failed_result(case, failure, describe_environment("simulate", device=DEVICE))


def trace_case(case: Case, build_step: BuildStep, device: torch.device, card: Gpu | None = None) -> Trace:
    """Record the warm-up and then one step for each batch of a case, under its rules and those of a card.

    On meta tensors steps on one batch repeat each other; what really runs is run to its end.
    """
    steps, repeats = WARM_UP_STEPS + case.batches, case.batches == 1 and device.type == "meta"
    rules = replace(case.rules, card=card)
    with without_tf32():
        return trace_steps(build_step, device, rules, case.precision, steps, steady_steps=case.batches, repeats=repeats)


def memory_fields(prepared: PreparedCase, simulation: Simulation) -> dict[str, Any]:
    """The `memory` of a result line; that of a run says which batch had the allocated peak."""
    names = ("peak_allocated_bytes", "peak_reserved_bytes", "peak_phase", "at_peak")
    fields = {name: getattr(simulation, name) for name in names}
    for name in ("peak_allocated_interval_bytes", "peak_reserved_interval_bytes"):
        fields[name] = list(getattr(simulation, name))
    if len(prepared.shapes) == 1:
        return fields
    return {**fields, "worst_batch": prepared.batch_fields(simulation.peak_step - WARM_UP_STEPS)}


def fit_fields(simulation: Simulation) -> dict[str, dict[str, Any]]:
    """The `fits` of a result line."""
    return {name: asdict(fit) for name, fit in simulation.fits.items()}


def time_fields(simulation: Simulation, gpus: Sequence[Gpu]) -> dict[str, dict[str, Any]]:
    """The `predicted_time` of a result line; of a card that lacks a peak or a precision, the reason."""
    return {gpu.name: _time_on(simulation, gpu) for gpu in gpus}


def _time_on(simulation: Simulation, gpu: Gpu) -> dict[str, Any]:
    try:
        time = simulation.step_time(gpu)
        least = roofline(simulation.trace, gpu.peaks, gpu.name)
    except ValueError as error:
        return {"missing": str(error)}
    least_ms, most_ms = time.interval_ms
    return {
        "step_ms": time.step_ms,
        "least_ms": least_ms,
        "most_ms": most_ms,
        "coverage": time.coverage,
        "forward_ms": time.forward_ms,
        "backward_ms": time.backward_ms,
        "optimizer_ms": time.optimizer_ms,
        "launch_bound_ms": time.launch_bound_ms,
        "by_kind_ms": dict(time.by_kind_ms),
        "roofline_ms": least.step_ms,
        "scaled": time.scaled,
    }
