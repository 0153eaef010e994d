"""Published peaks of the suite's own models, simulated: UPerNet with Swin, as mmsegmentation measured it."""

import time
from collections.abc import Iterator

from bench.cases.case import Case
from bench.cases.training_step import prepare
from drystep.cuda.meta_cache import META
from drystep.memory.replay import replay
from drystep.simulator import trace_steps
from drystep.units import GIB
from drystep.validation.check import Check
from drystep.validation.memtracker import TrackedCase
from reports.records import upernet_peaks

PUBLISHED_PROFILE = "mm-2021"


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
    trace = trace_steps(prepare(case, META).build_step, META, case.rules, case.precision)
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


def detection_cases() -> list[TrackedCase]:
    """Full on Swin-L detectors, for PyTorch's MemTracker beside the simulation."""
    cases = [Case(task=task, method="full", backbone="swin_large", engine="simulate") for task in ("voc", "coco")]
    return [(case.title, lambda case=case: prepare(case, META).build_step) for case in cases]  # type: ignore[misc]
