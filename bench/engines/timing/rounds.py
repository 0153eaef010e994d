"""How many rounds a case is timed: those that were asked for, and more where they are contended or noisy."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.engines.timing.contention import wait_until_calm
from bench.engines.timing.median_interval import median_interval
from bench.engines.timing.turns import Round, least_disturbed

TOLERANCE = 0.1
"""The interval of a median ratio may be so wide, in parts of the median; otherwise further rounds are timed."""
LEAST_BUDGET_S = 3.0
"""Seconds that a case may spend on further rounds and on waiting for calm, or `LEAST_FURTHER_ROUNDS` if they take
longer."""
LEAST_FURTHER_ROUNDS = 2
MOST_FURTHER_ROUNDS = 20


@dataclass(frozen=True)
class TimedRounds:
    """What was timed, and what of it counts."""

    kept: Sequence[Round]
    """All calm rounds, filled up to the number that was asked for with the least contended ones."""
    timed: int
    """All rounds, also those that do not count."""
    waited_s: float
    """Seconds without work, to let other processes finish."""

    @property
    def contended(self) -> Sequence[Round]:
        """Rounds that count although other processes disturbed them."""
        return [one for one in self.kept if one.is_contended]

    def contention_fields(self) -> dict[str, Any] | None:
        """The `contention` of a result's `time`: what was seen, if rounds that count were contended."""
        contended = self.contended
        if not contended:
            return None
        use = contended[0].use
        for one in contended[1:]:
            use += one.use
        return {
            "rounds": len(self.kept),
            "contended_rounds": len(contended),
            "timed_rounds": self.timed,
            "waited_s": round(self.waited_s, 1),
            "others_percent": round(100 * use.others_share, 1),
            "own_percent": round(100 * use.own_share, 1),
            "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        }


def time_rounds(
    take: Callable[[int], Round],
    steps: int,
    left_s: Callable[[], float],
    wait: Callable[[float], None] = wait_until_calm,
    clock: Callable[[], float] = time.monotonic,
) -> TimedRounds:
    """Time `steps` rounds, and further ones within the budget while fewer than `steps` are calm or the ratio is noisy.

    `take` times the round of a number. `left_s` is how long the case may still take before it is stopped; further
    rounds leave half of it. `wait` sleeps until the processors are free, at most so many seconds; it is called after a
    contended round.
    """
    began = clock()
    rounds, waited_s = [take(number) for number in range(steps)], 0.0
    longest_s = (clock() - began) / steps
    end = clock() + min(max(LEAST_BUDGET_S, LEAST_FURTHER_ROUNDS * longest_s), left_s() / 2)
    while len(rounds) < steps + MOST_FURTHER_ROUNDS and not _is_enough(rounds, steps):
        if rounds[-1].is_contended:
            before = clock()
            wait(max(0.0, end - before - longest_s) / 2)  # half: when it ends in vain, there is time to try again
            waited_s += clock() - before
        before = clock()
        if before + longest_s > end:
            break
        rounds.append(take(len(rounds)))
        longest_s = max(longest_s, clock() - before)
    return TimedRounds(least_disturbed(rounds, steps), len(rounds), waited_s)


def _is_enough(rounds: Sequence[Round], steps: int) -> bool:
    """Whether as many rounds as were asked for are calm, and their median ratio is known within the tolerance."""
    calm = [one for one in rounds if not one.is_contended]
    if len(calm) < steps:
        return False
    ratios = [one.ratio for one in calm if one.ratio is not None]
    if len(ratios) < len(calm):  # there is no reference, or it has failed, so that the result will have no ratio
        return True
    interval = median_interval(ratios)
    if interval is None:
        return False
    low, high = interval
    return high - low <= TOLERANCE * sorted(ratios)[len(ratios) // 2]
