"""The fraction of a card's peak that its kernels achieve, by class of operator, shape and size."""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from drystep.operators import Kind, Work

Points = tuple[tuple[float, float], ...]
"""(microseconds that a kernel would take at the card's peak, fraction of the peak that it achieves), ascending."""

NARROW, WIDE, LONG = "in<=4096;min_dim<=256", "in<=4096;min_dim>256", "in>4096"
SHAPES: dict[Kind, tuple[str, ...]] = {
    "linear": (WIDE, NARROW, LONG),
    "bmm": ("min_dim<=32", "min_dim33-64", "min_dim65-128", "min_dim>128"),
    "conv": ("min_channel<=64", "min_channel65-256", "min_channel>256"),
    "softmax": ("row<=1024", "row>1024"),
    "layer_norm": ("row<=1024", "row>1024"),
}
"""Kinds whose fraction depends on size, and their shape classes, named as in the measurements."""


@dataclass(frozen=True)
class Achieved:
    """The fractions of the peak that the kernels of one card achieve."""

    curves: Mapping[tuple[Kind, str], Points]
    """Fraction over size, by kind and shape class."""
    constants: Mapping[Kind, float]
    """Fraction of the bandwidth, for kinds of operator whose size hardly matters."""
    launch_us: float
    """Time from one launch to the next, on the host of that card."""

    def fraction(self, work: Work, ideal_us: float) -> float:
        """Fraction of the peak that one kernel achieves, if it would take `ideal_us` microseconds at the peak."""
        kind: Kind = "bmm" if work.kind == "attention" else work.kind
        if kind in SHAPES:
            return interpolate(self.curves[kind, shape_of(work)], ideal_us)
        return self.constants[kind]


def interpolate(points: Points, ideal_us: float) -> float:
    """Interpolate linearly in the logarithm of the size; the fraction is constant beyond both ends."""
    above = bisect_right(points, (ideal_us, math.inf))
    if above == 0 or above == len(points):
        return points[max(0, above - 1)][1]
    (low_us, low), (high_us, high) = points[above - 1], points[above]
    return low + (high - low) * math.log(ideal_us / low_us) / math.log(high_us / low_us)


def shape_of(work: Work) -> str:
    """Shape class of an operator whose kind has such classes."""
    least = work.narrowest
    if work.kind == "linear":
        return NARROW if least <= 256 else LONG if work.reduced > 4096 else WIDE
    if work.kind in ("bmm", "attention"):
        return SHAPES["bmm"][(least > 32) + (least > 64) + (least > 128)]
    if work.kind == "conv":
        return SHAPES["conv"][(least > 64) + (least > 256)]
    return SHAPES[work.kind][work.reduced > 1024]
