"""How long a run may still take. Does not import torch."""

import time
from collections.abc import Callable
from statistics import median

from bench.proof.plan import Item, Kind

RESERVE_S = 4.0
"""Kept for the end of the run: ending processes, and the summary."""
ITEM_LIMIT_S = 180.0
"""No item takes longer, unless something hangs."""
USUAL_S: dict[Kind, float] = {"case": 12.0, "limits": 10.0, "snapshot": 12.0, "calibration": 20.0, "tests": 25.0}
"""What an item takes where none of its kind was measured yet, in seconds: half of it is taken for the least."""


class Clock:
    """Counts down from the run's limit, and learns what items of each kind take."""

    def __init__(self, minutes: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._end = now() + 60 * minutes
        self._took: dict[Kind, list[float]] = {}

    @property
    def left_s(self) -> float:
        """Seconds that work may still take; negative when the run should have ended."""
        return self._end - RESERVE_S - self._now()

    def allows(self, item: Item) -> bool:
        """Whether an item can be expected to end in time."""
        took = self._took.get(item.kind)
        return self.left_s > (median(took) if took else USUAL_S[item.kind] / 2)

    def limit_s(self) -> float:
        """The time limit of an item that begins now."""
        return min(ITEM_LIMIT_S, max(self.left_s, 0.1))

    def note(self, item: Item, seconds: float) -> None:
        """Take up what an item took."""
        self._took.setdefault(item.kind, []).append(seconds)
