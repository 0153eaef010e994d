"""All ground truth that the project knows, simulated: measured runs, and published peaks."""

import time
from collections.abc import Iterator

import torch

from bench.case import Case
from bench.simulation.replay import replay
from bench.simulation.simulation import trace_steps
from bench.simulation.trace import Trace
from bench.training_step import prepare
from bench.validation.check import Check
from bench.validation.ground_truth import MeasuredRun
from bench.validation.networks import network_of
from bench.validation.xmem_loop import build_loop
from reports.records import upernet_peaks

META = torch.device("meta")
MIB, GIB = 1 << 20, 1 << 30
DRIVER_BYTES = 107 * MIB
"""Least that no run had of its device: the largest use ever measured on the RTX 4060 is 7826 of 7933 MiB."""
RUN_PROFILE, RUN_PRECISION = "torch-2.11", "fp32"
PUBLISHED_PROFILE = "mm-2021"


def check_run(run: MeasuredRun) -> Check:
    """Simulate a measured run on its device, and each repetition under its own limit.

    Raises `ValueError` for a model that is not known or whose library is missing.
    """
    start = time.perf_counter()
    trace = trace_run(run)
    limit_bytes = run.device_bytes - DRIVER_BYTES
    outcome = replay(trace, limit_bytes, workspaces=True)
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
    """The recording of a measured run."""
    return trace_steps(build_loop(run, network_of(run)), META, RUN_PROFILE, RUN_PRECISION, run.iterations)


def check_published() -> Iterator[Check]:
    """Simulate UPerNet with Swin as mmsegmentation published it."""
    for row in upernet_peaks():
        case = Case(
            task="ade20k", method="full", backbone=row["backbone"], window=row["window"], batch_size=row["batch_size"],
            image_size=(row["height"], row["width"]), profile=PUBLISHED_PROFILE, engine="simulate",
        )  # fmt: skip
        yield _check_case(case, round(row["memory_gib"] * GIB))


def _check_case(case: Case, published_bytes: int) -> Check:
    start = time.perf_counter()
    trace = trace_steps(prepare(case, META).build_step, META, case.profile, case.precision)
    peak_bytes = replay(trace).peak_allocated_bytes
    return Check(
        id=f"UPerNet {case.backbone} window {case.window}",
        group="mmsegmentation",
        quantity="allocated",
        predicted_bytes=peak_bytes,
        lean_bytes=peak_bytes,
        measured_bytes=published_bytes,
        predicted_oom=False,
        measured_oom=None,
        capped_right=0,
        capped_runs=0,
        seconds=time.perf_counter() - start,
    )


def _out_of_memory(trace: Trace, limit_bytes: int) -> bool:
    return replay(trace, limit_bytes, workspaces=True).verdict == "oom"
