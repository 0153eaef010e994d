"""Simulation of measured training runs."""

import time

from drystep.cuda.meta_cache import META
from drystep.memory.replay import replay
from drystep.simulator import trace_steps
from drystep.trace.trace import Trace
from drystep.units import MIB
from drystep.validation.check import Check
from drystep.validation.ground_truth import MeasuredRun
from drystep.validation.networks import network_of
from drystep.validation.xmem_loop import build_loop

DRIVER_BYTES = 107 * MIB
"""Memory that no run could use of its device: the largest use ever measured on the RTX 4060 is 7826 of 7933 MiB."""
RUN_PROFILE, RUN_PRECISION = "torch-2.11", "fp32"


def check_run(run: MeasuredRun) -> Check:
    """Simulate a measured run on its device, and each repetition under its own limit.

    Raises `ValueError` for an unknown model, or if its library is not installed.
    """
    start = time.perf_counter()
    trace = trace_run(run)
    limit_bytes = run.device_bytes - DRIVER_BYTES
    outcome = replay(trace, limit_bytes, possible=True)
    seconds = time.perf_counter() - start
    capped = [_out_of_memory(trace, min(limit_bytes, int(c.fraction * run.device_bytes))) for c in run.capped]
    return Check(
        id=run.id,
        group=run.kind,
        quantity="reserved",
        predicted_bytes=outcome.peak_reserved_bytes,
        lean_bytes=replay(trace, limit_bytes).peak_reserved_bytes,
        measured_bytes=run.measured_bytes,
        predicted_oom=outcome.verdict == "oom",
        measured_oom=run.oom,
        capped_right=sum(oom == cap.oom for oom, cap in zip(capped, run.capped, strict=True)),
        capped_runs=len(capped),
        seconds=seconds,
    )


def trace_run(run: MeasuredRun) -> Trace:
    """Record the simulated iterations of a measured run."""
    return trace_steps(build_loop(run, network_of(run)), META, RUN_PROFILE, RUN_PRECISION, run.iterations)


def _out_of_memory(trace: Trace, limit_bytes: int) -> bool:
    return replay(trace, limit_bytes, possible=True).verdict == "oom"
