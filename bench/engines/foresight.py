"""Estimate of what a cpu case will need on this machine, made before it starts: too much memory, or minutes of time."""

import functools
import time
from dataclasses import dataclass, replace

import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.cases.case import Case
from bench.cases.training_step import batch_shapes, prepare
from drystep.cuda.meta_cache import META
from drystep.simulation import judge
from drystep.simulator import trace_steps
from drystep.trace.recorder import WARM_UP_STEPS
from drystep.units import GIB, MIB

WORTH_SAYING_S = 120
"""A case that will take longer than this, in seconds, is announced."""
PROCESS_BYTES = 500 * MIB
"""Memory of a process with PyTorch, timm and torchvision besides its tensors (measured with torch 2.11: 450 MiB)."""


@dataclass(frozen=True)
class Cost:
    """Memory and operations of one step of a case."""

    peak_bytes: int
    flops: int


def refusal(case: Case, reference: Case | None) -> str:
    """Reason why this machine cannot execute a case in turns with its reference, if it has one; empty if it can."""
    needed_bytes = sum(PROCESS_BYTES + _cost(one).peak_bytes for one in (case, reference) if one is not None)
    available_bytes = psutil.virtual_memory().available
    if needed_bytes <= available_bytes:
        return ""
    beside = f", in turns with {reference.method}," if reference else ""
    return (
        f"this case{beside} needs about {needed_bytes / GIB:.1f} GiB and this machine has "
        f"{available_bytes / GIB:.1f} GiB left: take a smaller image or backbone, or the simulate engine"
    )


def announcement(case: Case, reference: Case | None, steps: int) -> str:
    """Message to show before a case that will take minutes; empty for other cases."""
    steps += WARM_UP_STEPS + case.batches
    flops = sum(_cost(one).flops for one in (case, reference) if one is not None)
    seconds = flops * steps / _flops_per_second()
    if seconds <= WORTH_SAYING_S:
        return ""
    return f"{case.title} needs about {seconds / 60:.0f} minutes on this CPU ({steps} real steps)"


@functools.cache
def _cost(case: Case) -> Cost:
    """Peak and floating-point operations of a step on the largest batch, found on meta tensors."""
    prepared = prepare(_on_largest_batch(case), META)
    built = prepared.build_step(META)
    simulation = judge(trace_steps(lambda _: built, META, case.rules, case.precision, iterations=1), ())
    with FlopCounterMode(display=False) as counter:
        built()
    # The trace began when the model existed already, and before the optimizer had state (AdamW's two moments).
    resident_bytes = 4 * prepared.params["total"] + 8 * prepared.params["trainable_total"]
    return Cost(resident_bytes + simulation.peak_allocated_bytes, counter.get_total_flops())


def _on_largest_batch(case: Case) -> Case:
    """The case with a single batch, which takes at least as much as any batch of its run."""
    shapes = batch_shapes(case)
    largest = max(shapes, key=lambda shape: shape.load)
    objects = max(shape.gt_boxes for shape in shapes)
    return replace(case, batches=1, image_size=largest.image_size, gt_boxes=objects)


def _flops_per_second() -> float:
    """Operations per second of this CPU in a matrix product of a size that occurs in Swin."""
    size = 1024
    matrix = torch.randn(size, size)
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        matrix @ matrix
        durations.append(time.perf_counter() - start)
    return 2 * size**3 / min(durations)
