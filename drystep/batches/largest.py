"""Search for the largest batch or image that fits a card, with few simulations."""

import itertools
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from drystep.memory.verdict import CardVerdict

LARGEST_BATCH = 1024
PATIENCE = 8
"""Number of attempts after which the search bisects."""


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
        return self.verdict not in ("oom", "depends")


def largest(
    attempt: Callable[[int], Attempt], start: int, limit: int, usable_bytes: int, load: Callable[[int], float]
) -> int:
    """Return the largest count in 1..limit that fits, or 0.

    `attempt` simulates a count. `load` maps a count to the quantity that its memory grows with (images or pixels).
    Memory is close to a straight line over that quantity, so each attempt is made where the line through the last two
    attempts meets `usable_bytes` of the card.
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
        if attempts > PATIENCE:  # memory is not close to a line
            count = (low + high) // 2
    raise AssertionError("the interval shrinks with every attempt")
