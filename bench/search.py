"""How much fits a card: the largest batch and the largest image, found by simulating."""

import functools
import itertools
import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.case import Case
from bench.engines import simulate
from bench.gpus import Gpu
from bench.simulation.replay import Verdict
from bench.workloads import WORKLOADS

IMAGE_STEP = 32
"""Sides of searched images are multiples of it, as detectors pad theirs."""
LARGEST_BATCH = 1024
LARGEST_SHORT_SIDE = 8192
PATIENCE = 8
"""Attempts after which the search bisects."""


@dataclass(frozen=True)
class Attempt:
    """One simulated count."""

    verdict: Verdict
    reserved_bytes: int
    """Reserved on a card without limit."""
    left_bytes: int
    """Usable bytes beside what is reserved on this card."""

    @property
    def fits(self) -> bool:
        """With or without retries."""
        return self.verdict != "oom"


@dataclass(frozen=True)
class Headroom:
    """What one method can do on one card."""

    case: Case
    verdict: Verdict
    """Of the case as asked."""
    headroom_bytes: int | None
    """Usable bytes left beside the reserved peak; None when the case does not fit."""
    largest_batch: int
    """Images at the case's size; 0 when not even one fits."""
    largest_image: tuple[int, int] | None
    """Height and width at the case's batch and the task's aspect ratio; None when not even the smallest fits."""


def search(case: Case, gpu: Gpu) -> Headroom:
    """Verdict, headroom, largest batch and largest image of a case on a card."""

    @functools.cache
    def attempt(case: Case) -> Attempt:
        result = simulate.measure(case, [gpu])
        fit, memory = result.fits[gpu.name], result.memory or {}
        return Attempt(fit["verdict"], memory["peak_reserved_bytes"], gpu.usable_bytes - fit["peak_reserved_bytes"])

    asked = attempt(case)
    batch = largest(
        lambda size: attempt(replace(case, batch_size=size)),
        case.batch_size,
        LARGEST_BATCH,
        gpu.usable_bytes,
        load=float,
    )
    start = min(case.image_size) // IMAGE_STEP
    steps = largest(
        lambda count: attempt(replace(case, image_size=image_of(case.task, count))),
        max(1, start),
        LARGEST_SHORT_SIDE // IMAGE_STEP,
        gpu.usable_bytes,
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
    """Height and width whose short side is `steps` x 32 pixels, at the task's aspect ratio rounded to 32."""
    height, width = WORKLOADS[task].image_size
    short = steps * IMAGE_STEP
    long = round(short * max(height, width) / min(height, width) / IMAGE_STEP) * IMAGE_STEP
    return (short, long) if height <= width else (long, short)


def largest(
    attempt: Callable[[int], Attempt], start: int, limit: int, usable_bytes: int, load: Callable[[int], float]
) -> int:
    """The largest count in 1..limit that fits, or 0.

    `attempt` simulates a count and `load` says what its memory grows with (images, or pixels). Memory being close to a
    straight line over the load, each attempt is where the line through the last two meets the card's usable bytes.
    """
    low, high = 0, limit + 1  # `low` fits and `high` does not
    points: list[tuple[float, int]] = [(0.0, 0)]
    count = min(start, limit)
    for attempts in itertools.count(1):
        tried = attempt(count)
        low, high = (count, high) if tried.fits else (low, count)
        if high - low == 1:
            return low
        points.append((load(count), tried.reserved_bytes))
        (load1, bytes1), (load2, bytes2) = points[-2:]
        aim = load1 + (usable_bytes - bytes1) * (load2 - load1) / (bytes2 - bytes1) if bytes1 != bytes2 else 0.0
        between = range(low + 1, high)
        count = max(low + 1, bisect_right(between, aim, key=load) + low)
        if attempts > PATIENCE:  # no line at all
            count = (low + high) // 2
    raise AssertionError("the interval shrinks with every attempt")
