"""How much fits a card: the largest batch and the largest image, found by simulating."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bench.case import Case
from bench.engines import simulate
from bench.gpus import Gpu
from bench.results import Result
from bench.workloads import WORKLOADS

IMAGE_STEP = 32
"""Sides of searched images are multiples of it, as detectors pad theirs."""
LARGEST_BATCH = 1024
LARGEST_SHORT_SIDE = 8192


@dataclass(frozen=True)
class Headroom:
    """What one method can do on one card."""

    case: Case
    verdict: str
    """Of the case as asked."""
    headroom_bytes: int | None
    """Usable bytes left beside the reserved peak; None when the case does not fit."""
    largest_batch: int
    """Images at the case's size; 0 when not even one fits."""
    largest_image: tuple[int, int] | None
    """Height and width at the case's batch and the task's aspect ratio; None when not even the smallest fits."""


def search(case: Case, gpu: Gpu) -> Headroom:
    """Verdict, headroom, largest batch and largest image of a case on a card."""
    fit = _fit(simulate.measure(case, [gpu]), gpu)
    fits = fit["verdict"] != "oom"
    batch = largest(
        lambda size: _fits(replace(case, batch_size=size), gpu), start=case.batch_size, known=fits, limit=LARGEST_BATCH
    )
    short_side = min(image_of(case.task, 1))
    start = max(1, min(case.image_size) // short_side)
    steps = largest(
        lambda count: _fits(replace(case, image_size=image_of(case.task, count)), gpu),
        start=start,
        known=None,
        limit=LARGEST_SHORT_SIDE // IMAGE_STEP,
    )
    return Headroom(
        case=case,
        verdict=fit["verdict"],
        headroom_bytes=gpu.usable_bytes - fit["peak_reserved_bytes"] if fits else None,
        largest_batch=batch,
        largest_image=image_of(case.task, steps) if steps else None,
    )


def image_of(task: str, steps: int) -> tuple[int, int]:
    """Height and width whose short side is `steps` x 32 pixels, at the task's aspect ratio rounded to 32."""
    height, width = WORKLOADS[task].image_size
    short = steps * IMAGE_STEP
    long = round(short * max(height, width) / min(height, width) / IMAGE_STEP) * IMAGE_STEP
    return (short, long) if height <= width else (long, short)


def largest(fits: Callable[[int], bool], start: int, known: bool | None, limit: int) -> int:
    """The largest count in 1..limit that fits, or 0, given that what fits a smaller card's share fits less too.

    `start` is where to look first, and `known` whether it fits, if that is known. Doubles or halves until the answer is
    enclosed, then bisects.
    """
    start = min(start, limit)
    if known if known is not None else fits(start):
        low, high = start, start + 1
        while high <= limit and fits(high):
            low, high = high, high * 2
    else:
        low, high = start // 2, start
        while low >= 1 and not fits(low):
            low, high = low // 2, low
    high = min(high, limit + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _fits(case: Case, gpu: Gpu) -> bool:
    return _fit(simulate.measure(case, [gpu]), gpu)["verdict"] != "oom"


def _fit(result: Result, gpu: Gpu) -> dict[str, Any]:
    return dict(result.fits[gpu.name])
