"""How much of a card's peak its kernels achieve, by class of operator, shape and size."""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from drystep.operators import Kind, Work

Points = tuple[tuple[float, float], ...]
"""(microseconds that a kernel would take at the card's peak, part of the peak that it achieves), rising."""

NARROW, WIDE, LONG = "in<=4096;min_dim<=256", "in<=4096;min_dim>256", "in>4096"
SHAPES: dict[Kind, tuple[str, ...]] = {
    "linear": (WIDE, NARROW, LONG),
    "bmm": ("min_dim<=32", "min_dim33-64", "min_dim65-128", "min_dim>128"),
    "conv": ("min_channel<=64", "min_channel65-256", "min_channel>256"),
    "softmax": ("row<=1024", "row>1024"),
    "layer_norm": ("row<=1024", "row>1024"),
}
"""Kinds whose fraction depends on size, and their classes of shape, by the names of the measurements."""


@dataclass(frozen=True)
class Achieved:
    """What one card's kernels achieve."""

    curves: Mapping[tuple[Kind, str], Points]
    """By kind and class of shape."""
    constants: Mapping[Kind, float]
    """Of the bandwidth, for kinds of operator whose size hardly matters."""
    launch_us: float
    """From one launch to the next, as the host of that card ran them."""

    def fraction(self, work: Work, ideal_us: float) -> float:
        """Part of its peak that one kernel achieves which would take `ideal_us` at the peak."""
        kind: Kind = "bmm" if work.kind == "attention" else work.kind
        if kind in SHAPES:
            return interpolate(self.curves[kind, shape_of(work)], ideal_us)
        return self.constants[kind]


def interpolate(points: Points, ideal_us: float) -> float:
    """Linear in the logarithm of the size, constant beyond both ends."""
    above = bisect_right(points, (ideal_us, math.inf))
    if above == 0 or above == len(points):
        return points[max(0, above - 1)][1]
    (low_us, low), (high_us, high) = points[above - 1], points[above]
    return low + (high - low) * math.log(ideal_us / low_us) / math.log(high_us / low_us)


def shape_of(work: Work) -> str:
    """Class of shape of an operator whose kind has such classes."""
    least = work.narrowest
    if work.kind == "linear":
        return NARROW if least <= 256 else LONG if work.reduced > 4096 else WIDE
    if work.kind in ("bmm", "attention"):
        return SHAPES["bmm"][(least > 32) + (least > 64) + (least > 128)]
    if work.kind == "conv":
        return SHAPES["conv"][(least > 64) + (least > 256)]
    return SHAPES[work.kind][work.reduced > 1024]
