"""An interval for the median of what some samples were drawn from, whatever its distribution."""

from collections.abc import Sequence
from math import comb

CONFIDENCE = 0.9
"""Least probability with which an interval holds the median, for a number of samples that was fixed beforehand."""


def median_interval(samples: Sequence[float]) -> tuple[float, float] | None:
    """Both ends of the interval, or None for fewer than five samples, which are too few for `CONFIDENCE`.

    They are the k-th smallest and the k-th largest of n samples, with the largest k that the confidence allows. Such
    an interval misses the median with probability 2 P(B < k), where B is binomial with n trials of probability 1/2
    (David and Nagaraja, Order Statistics, 3rd edition, section 7.1).
    """
    ordered = sorted(samples)
    count = len(ordered)
    missed, rank = 0.0, 0
    for smaller in range(count // 2):
        missed += 2 * comb(count, smaller) / 2**count
        if missed > 1 - CONFIDENCE:
            break
        rank = smaller + 1
    return (ordered[rank - 1], ordered[-rank]) if rank else None
