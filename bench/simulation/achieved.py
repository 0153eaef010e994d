"""How much of a card's peak its kernels achieve, by class of operator and size: measured, not fitted.

The source is NeuSight's measurements of single operators (`bench/ground_truth/README.md`): one sweep over random shapes,
one over the operators of real models. No end-to-end time is used.
"""

import csv
import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from bench.peaks import Peaks
from bench.simulation.operator_work import Kind, Work

FOLDER = Path(__file__).parents[1] / "ground_truth"
OPERATORS, OVERHEADS = FOLDER / "neusight_operators.csv", FOLDER / "neusight_overheads.csv"
Row = Mapping[str, str]
Points = tuple[tuple[float, float], ...]
"""(microseconds that a kernel would take at the card's peak, part of the peak that it achieves), rising."""

ANY = "any"
ELEMENTWISE = ("add", "addu", "mul", "mulu", "div", "divu", "relu", "gelu", "tanh")
MEMORY_CLASSES: dict[Kind, tuple[str, str]] = {
    "broadcast": ("add_broadcast", "forward"),
    "copy": ("copy", "forward"),
    "gather": ("embedding", "forward"),
    "dropout": ("dropout", "forward"),
    "optimizer": ("grad_accumulate", "backward"),
    "layer_norm_backward": ("layer_norm", "backward"),
}
"""Classes of the data that stand for a kind of operator whose achieved fraction hardly depends on size."""
PASSES = {"layer_norm_backward": 20 / 12}
"""Bytes that the kernels move over bytes that the data counts: gradient and input are read twice, once per kernel."""
SHAPES: dict[Kind, tuple[str, ...]] = {
    "linear": ("in<=4096;min_dim>256", "in<=4096;min_dim<=256", "in>4096"),
    "bmm": ("min_dim<=32", "min_dim33-64", "min_dim65-128", "min_dim>128"),
    "conv": ("min_channel<=64", "min_channel65-256", "min_channel>256"),
    "softmax": ("row<=1024", "row>1024"),
    "layer_norm": ("row<=1024", "row>1024"),
}
"""Kinds whose fraction depends on size, and their classes of shape."""
UNLIKE_MODELS = frozenset({"in<=4096;min_dim<=256", "min_dim<=32", "min_dim>128"})
"""Shapes that the operators of the traced language models do not have: only the sweep knows them."""
CLEAR = 3
"""A latency says something about a kernel when it exceeds the launch by this factor."""


@dataclass(frozen=True)
class Achieved:
    """What one card's kernels achieve."""

    curves: Mapping[tuple[Kind, str], Points]
    constants: Mapping[Kind, float]
    """Of the bandwidth, for kinds of operator whose size hardly matters."""
    launch_us: float
    """From one launch to the next, as the host of that card ran them."""

    def fraction(self, work: Work, ideal_us: float) -> float:
        """Part of its peak that one kernel achieves which would take `ideal_us` at the peak."""
        kind: Kind = "bmm" if work.kind == "attention" else work.kind
        points = self.curves.get((kind, shape_of(work)))
        if points is None:
            return self.constants[kind]
        return interpolate(points, ideal_us)


@functools.cache
def _axes(points: Points) -> tuple[list[float], list[float]]:
    return [float(np.log2(us)) for us, _ in points], [fraction for _, fraction in points]


def interpolate(points: Points, ideal_us: float) -> float:
    """Linear in the logarithm of the size, constant beyond both ends."""
    sizes, fractions = _axes(points)
    return float(np.interp(np.log2(max(ideal_us, 1e-6)), sizes, fractions))


def shape_of(work: Work) -> str:
    """Class of shape in the data."""
    least = work.narrowest
    if work.kind == "linear":
        return "in<=4096;min_dim<=256" if least <= 256 else "in>4096" if work.reduced > 4096 else "in<=4096;min_dim>256"
    if work.kind in ("bmm", "attention"):
        return SHAPES["bmm"][(least > 32) + (least > 64) + (least > 128)]
    if work.kind == "conv":
        return SHAPES["conv"][(least > 64) + (least > 256)]
    return "row<=1024" if work.reduced <= 1024 else "row>1024"


@functools.cache
def measured_cards() -> dict[str, Achieved]:
    """Every card of the data, by its name there."""
    operators, overheads = _by_card(OPERATORS), _by_card(OVERHEADS)
    launches = _launches(operators, overheads)
    cards = {card: _Card(rows, overheads.get(card, []), launches[card]) for card, rows in operators.items()}
    relative = {
        kind: median(card.constants[kind] / card.elementwise for card in cards.values() if kind in card.constants)
        for kind in MEMORY_CLASSES
    }
    curves = {card: found.curves() for card, found in cards.items()}
    everywhere = {key: _middle([c[key] for c in curves.values() if key in c]) for key in set().union(*curves.values())}
    return {
        name: Achieved(
            curves=everywhere | curves[name],
            constants={
                "elementwise": card.elementwise,
                **{kind: card.constants.get(kind, relative[kind] * card.elementwise) for kind in MEMORY_CLASSES},
            },
            launch_us=launches[name][ANY],
        )
        for name, card in cards.items()
    }


def achieved_on(peaks: Peaks, card: str) -> Achieved:
    """What a card's kernels achieve. Raises `ValueError` that names the field if that is not known."""
    cards = measured_cards()
    if peaks.operators not in cards:
        raise ValueError(
            f"{card} has no usable operators ({peaks.operators!r}): name the measured card that is most like it, "
            f"one of {', '.join(sorted(cards))}"
        )
    return cards[peaks.operators]


def _launches(
    operators: Mapping[str, Sequence[Row]], overheads: Mapping[str, Sequence[Row]]
) -> dict[str, dict[str, float]]:
    """Microseconds of each latency that are the launch, by card and class: nobody waits for it in a step that runs ahead.

    Of elementwise operators it is the intercept of latency over bytes. Their shortest latency exceeds that by what the
    timing itself takes, which is the same for all classes. Classes without a sweep go by the other cards.
    """
    hidden = median(
        float(r["t0_us"]) / float(r["floor_us"])
        for rows in overheads.values()
        for r in rows
        if r["op_class"] in ELEMENTWISE
    )
    found: dict[str, dict[str, float]] = {}
    for card, rows in operators.items():
        lowest = min(float(row["latency_us"]) for row in rows)
        lowest = min([lowest, *(float(row["floor_us"]) for row in overheads.get(card, []))])
        timing = (1 - hidden) * lowest
        found[card] = {ANY: lowest - timing} | {
            r["op_class"]: float(r["floor_us"]) - timing for r in overheads.get(card, [])
        }
    classes = {name for rows in operators.values() for name in (row["op_class"] for row in rows)}
    for name in classes:
        others = [launches[name] / launches[ANY] for launches in found.values() if name in launches]
        for launches in found.values():
            launches.setdefault(name, (median(others) if others else 1.0) * launches[ANY])
    return found


class _Card:
    """The rows of one card."""

    def __init__(self, rows: Sequence[Row], overheads: Sequence[Row], launches: Mapping[str, float]) -> None:
        self.rows, self.launches = rows, launches
        limits = [float(row["frac_inf"]) for row in overheads if row["op_class"] in ELEMENTWISE]
        limits = limits or [
            f for name in ELEMENTWISE if (f := self._largest(self._of(name, "forward"), 1.0)) is not None
        ]
        self.elementwise = median(limits)
        self.constants: dict[Kind, float] = {}
        for kind, (name, direction) in MEMORY_CLASSES.items():
            fraction = self._largest(self._of(name, direction), PASSES.get(kind, 1))
            if fraction is not None:
                self.constants[kind] = fraction

    def curves(self) -> dict[tuple[Kind, str], Points]:
        """A curve for each kind and shape that the card has rows of."""
        found: dict[tuple[Kind, str], Points] = {}
        for kind, shapes in SHAPES.items():
            rows = self._of(kind, "forward")
            limit = 1.0 if kind in ("softmax", "layer_norm") else None
            for shape in shapes:
                sweep = self._points(
                    [r for r in rows if r["set"] == "sweep" and r["shape_class"] == shape], "fraction_p90", limit
                )
                model = self._points(
                    [r for r in rows if r["set"] == "trace_dev" and r["shape_class"] in ("all", shape)],
                    "fraction_p50",
                    limit,
                )
                points = sweep if shape in UNLIKE_MODELS and sweep else _joined(model, sweep)
                if points:
                    found[kind, shape] = tuple(points)
        return found

    def _of(self, name: str, direction: str) -> list[Row]:
        return [row for row in self.rows if row["op_class"] == name and row["direction"] == direction]

    def _points(self, rows: Iterable[Row], quantile: str, limit: float | None) -> list[tuple[float, float]]:
        """Of bins in which the kernel shows. What beats the bandwidth was in the cache, for it was timed repeatedly."""
        points = []
        for row in rows:
            launch, ideal_us = self.launches[row["op_class"]], float(row["fraction_p50"]) * float(row["latency_us"])
            latency_us = ideal_us / float(row[quantile])
            fraction = ideal_us / (latency_us - launch) if latency_us > CLEAR * launch else float("inf")
            if fraction < (limit or float("inf")):
                points.append((ideal_us, fraction))
        return sorted(points)

    def _largest(self, rows: Sequence[Row], passes: float) -> float | None:
        points = self._points(rows, "fraction_p50", 1.0 / passes)
        return points[-1][1] * passes if points else None


def _joined(own: Sequence[tuple[float, float]], sweep: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The shapes of models where they were measured, the sweep below and above."""
    if not own:
        return list(sweep)
    low, high = own[0][0], own[-1][0]
    return [p for p in sweep if p[0] < low / 2] + list(own) + [p for p in sweep if p[0] > high * 2]


def _middle(curves: Sequence[Points]) -> Points:
    """Median of several cards' curves, for cards without rows of a kind."""
    sizes = sorted({us for points in curves for us, _ in points})
    return tuple((us, median(interpolate(points, us) for points in curves)) for us in sizes)


def _by_card(path: Path) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[row["gpu"]].append(row)
    return dict(rows)
