"""Search for the largest batch or image that fits a card, with few simulations."""

import itertools
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drystep.memory.verdict import FITTING, CardVerdict

LARGEST_BATCH = 4096
"""Where the search for the largest batch ends."""
PATIENCE = 8
"""Number of attempts after which the search bisects."""


Point = tuple[float, int]
"""The quantity that memory grows with, and the reserved bytes at it."""


@dataclass(frozen=True)
class Attempt:
    """Outcome of one simulated count."""

    verdict: CardVerdict
    reserved_bytes: int
    """Reserved peak on a card without limit."""
    left_bytes: int
    """Usable bytes that are left on this card beside the reserved peak."""

    @property
    def fits(self) -> bool:
        """Whether the count fits, with or without retries, whatever algorithms the card chooses."""
        return self.verdict in FITTING


def crossing(points: Sequence[Point], usable_bytes: int) -> float:
    """Where the line through two points reaches so many bytes; 0 for a level line."""
    (load1, bytes1), (load2, bytes2) = points
    return load1 + (usable_bytes - bytes1) * (load2 - load1) / (bytes2 - bytes1) if bytes1 != bytes2 else 0.0


def largest(
    attempt: Callable[[int], Attempt],
    start: int,
    limit: int,
    usable_bytes: int,
    load: Callable[[int], float],
    known: Point = (0.0, 0),
) -> int:
    """Return the largest count in 1..limit that fits, or 0.

    `attempt` simulates a count. `load` maps a count to the quantity that its memory grows with (images or pixels).
    Memory is close to a straight line over that quantity, so each attempt is made where the line through the last two
    attempts meets `usable_bytes` of the card. `known` is a point of the line beside the first attempt.
    """
    low, high = 0, limit + 1  # `low` fits and `high` does not
    points: list[Point] = [known]
    count = min(start, limit)
    for attempts in itertools.count(1):
        tried = attempt(count)
        low, high = (count, high) if tried.fits else (low, count)
        if high - low == 1:
            return low
        points.append((load(count), tried.reserved_bytes))
        aim = crossing(points[-2:], usable_bytes)
        count = max(low + 1, bisect_right(range(low + 1, high), aim, key=load) + low)
        if attempts > PATIENCE:  # memory is not close to a line
            count = (low + high) // 2
    raise AssertionError("the interval shrinks with every attempt")
