"""The largest batch and the largest image that fit a card, found by simulation."""

import functools
import math
from dataclasses import dataclass, replace

from bench.cases.case import Case
from bench.cases.tasks import WORKLOADS
from bench.engines import simulate
from drystep.batches.largest import LARGEST_BATCH, Attempt, largest
from drystep.gpus.classes import Gpu
from drystep.memory.verdict import CardVerdict

IMAGE_STEP = 32
"""Sides of searched images are multiples of it, as detectors pad theirs."""
LARGEST_SHORT_SIDE = 8192


@dataclass(frozen=True)
class Headroom:
    """What fits one card with one method."""

    case: Case
    verdict: CardVerdict
    """Verdict of the case itself."""
    headroom_bytes: int | None
    """Usable bytes left besides the reserved peak; None if the case does not fit."""
    largest_batch: int
    """Number of images of the case's size; 0 if not even one fits."""
    largest_image: tuple[int, int] | None
    """Height and width at the case's batch size and the task's aspect ratio; None if not even the smallest fits."""


def search(case: Case, gpu: Gpu) -> Headroom:
    """Find the verdict, headroom, largest batch and largest image of a case on a card."""

    @functools.cache
    def attempt(case: Case) -> Attempt:
        result = simulate.measure(case, [gpu])
        fit, memory = result.fits[gpu.name], result.memory or {}
        return Attempt(fit["verdict"], memory["peak_reserved_bytes"], fit["usable_bytes"] - fit["peak_reserved_bytes"])

    asked, usable_bytes = attempt(case), case.rules.usable_bytes(gpu)
    batch = largest(
        lambda size: attempt(replace(case, batch_size=size)),
        case.batch_size,
        LARGEST_BATCH,
        usable_bytes,
        load=float,
    )
    start = min(case.image_size) // IMAGE_STEP
    steps = largest(
        lambda count: attempt(replace(case, image_size=image_of(case.task, count))),
        max(1, start),
        LARGEST_SHORT_SIDE // IMAGE_STEP,
        usable_bytes,
        load=lambda count: float(math.prod(image_of(case.task, count))),
    )
    return Headroom(
        case=case,
        verdict=asked.verdict,
        headroom_bytes=asked.left_bytes if asked.fits else None,
        largest_batch=batch,
        largest_image=image_of(case.task, steps) if steps else None,
    )


def image_of(task: str, steps: int) -> tuple[int, int]:
    """Height and width with a short side of `steps` x 32 pixels, at the task's aspect ratio rounded to 32."""
    height, width = WORKLOADS[task].image_size
    short = steps * IMAGE_STEP
    long = round(short * max(height, width) / min(height, width) / IMAGE_STEP) * IMAGE_STEP
    return (short, long) if height <= width else (long, short)
