"""What kernels achieve on the cards of NeuSight's measurements (`drystep/ground_truth/README.md`).

The measurements are of single operators: a sweep over random shapes, and a trace of the operators of real models. No
end-to-end time is used.
"""

import csv
import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from drystep.gpus.peaks import Peaks
from drystep.operators import Kind
from drystep.time.efficiency import NARROW, SHAPES, Achieved, Points, interpolate

FOLDER = Path(__file__).parents[1] / "ground_truth"
OPERATORS, OVERHEADS = FOLDER / "neusight_operators.csv", FOLDER / "neusight_overheads.csv"
Row = Mapping[str, str]
Tables = Mapping[str, Sequence[Row]]
"""Rows by card."""

ELEMENTWISE = ("add", "addu", "mul", "mulu", "div", "divu", "relu", "gelu", "tanh")
MEMORY_CLASSES: dict[Kind, tuple[str, str]] = {
    "broadcast": ("add_broadcast", "forward"),
    "copy": ("copy", "forward"),
    "gather": ("embedding", "forward"),
    "dropout": ("dropout", "forward"),
    "optimizer": ("grad_accumulate", "backward"),
    "layer_norm_backward": ("layer_norm", "backward"),
}
"""Class and direction in the data that stand for a kind whose achieved fraction hardly depends on size."""
PASSES: dict[Kind, float] = {"layer_norm_backward": 20 / 12}
"""Ratio of the bytes that the kernels move to those that the data counts. Both kernels read gradient and input."""
ONLY_SWEPT = frozenset({NARROW, "min_dim<=32", "min_dim>128"})
"""Shape classes that do not occur among the operators of the traced language models."""
MODEL_LIKE = "fraction_p90"
"""Quantile of the sweep that stands for the shapes of models, because the sweep is of odd sizes. In the bins that the
trace has as well, single operators of models achieve 1.01 times this quantile, and up to 4 times the sweep's median
(medians over 80 bins)."""
CLEAR = 3
"""Factor by which a latency has to exceed the launch, or it says nothing about the kernel."""
ANY = "any"


def achieved_on(peaks: Peaks, card: str) -> Achieved:
    """Return what a card's kernels achieve. Raises `ValueError`, which names the field, if that is not known."""
    cards = measured_cards()
    if peaks.operators not in cards:
        raise ValueError(
            f"{card} has no usable operators ({peaks.operators!r}): name the measured card that is most like it, "
            f"one of {', '.join(sorted(cards))}"
        )
    return cards[peaks.operators]


@functools.cache
def measured_cards() -> dict[str, Achieved]:
    """Return all cards of the data by name. What was not measured on a card is the median of the other cards."""
    operators, overheads = _by_card(OPERATORS), _by_card(OVERHEADS)
    launches = _launches(operators, overheads)
    cards = {name: _Card(rows, overheads.get(name, []), launches[name]) for name, rows in operators.items()}
    curves = {name: card.curves() for name, card in cards.items()}
    keys = {key for found in curves.values() for key in found}
    everywhere = {key: _middle([found[key] for found in curves.values() if key in found]) for key in keys}
    constants = {name: card.constants() for name, card in cards.items()}
    relative = {
        kind: median(found[kind] / found["elementwise"] for found in constants.values() if kind in found)
        for kind in MEMORY_CLASSES
    }
    return {
        name: Achieved(
            curves=everywhere | curves[name],
            constants={kind: part * found["elementwise"] for kind, part in relative.items()} | found,
            launch_us=launches[name][ANY],
        )
        for name, found in constants.items()
    }


def _launches(operators: Tables, overheads: Tables) -> dict[str, dict[str, float]]:
    """Return the share of the launch in each measured latency, in microseconds by card and class.

    A step whose host runs ahead does not wait for the launch, so it does not count as time of the kernel. For
    elementwise operators it is the intercept of latency over bytes. Their shortest latency exceeds this intercept by
    what the timing itself takes, which is the same for all classes. Classes without a sweep use the ratio of the other
    cards.
    """
    swept = [row for rows in overheads.values() for row in rows if row["op_class"] in ELEMENTWISE]
    launch_part = median(float(row["t0_us"]) / float(row["floor_us"]) for row in swept)
    found: dict[str, dict[str, float]] = {}
    for card, rows in operators.items():
        floors = {row["op_class"]: float(row["floor_us"]) for row in overheads.get(card, ())}
        lowest = min([*floors.values(), *(float(row["latency_us"]) for row in rows)])
        timing = (1 - launch_part) * lowest
        found[card] = {name: floor - timing for name, floor in {ANY: lowest, **floors}.items()}
    for name in {row["op_class"] for rows in operators.values() for row in rows}:
        others = [launches[name] / launches[ANY] for launches in found.values() if name in launches]
        for launches in found.values():
            launches.setdefault(name, (median(others) if others else 1.0) * launches[ANY])
    return found


@dataclass(frozen=True)
class _Card:
    """The rows of one card."""

    rows: Sequence[Row]
    overheads: Sequence[Row]
    launches: Mapping[str, float]

    def constants(self) -> dict[Kind, float]:
        """Fractions of the bandwidth, for the kinds that the card has rows of."""
        limits = [float(row["frac_inf"]) for row in self.overheads if row["op_class"] in ELEMENTWISE]
        largest = [self._largest(name, "forward") for name in ELEMENTWISE]
        found: dict[Kind, float] = {"elementwise": median(limits or [part for part in largest if part is not None])}
        for kind, (name, direction) in MEMORY_CLASSES.items():
            part = self._largest(name, direction, PASSES.get(kind, 1))
            if part is not None:
                found[kind] = part
        return found

    def curves(self) -> dict[tuple[Kind, str], Points]:
        """Curves of the kinds and shape classes that the card has rows of."""
        found: dict[tuple[Kind, str], Points] = {}
        for kind, shapes in SHAPES.items():
            limit = 1.0 if kind in ("softmax", "layer_norm") else float("inf")
            for shape in shapes:
                sweep = self._points(self._rows(kind, "forward", "sweep", shape), MODEL_LIKE, limit)
                model = self._points(self._rows(kind, "forward", "trace_dev", shape, "all"), "fraction_p50", limit)
                points = sweep if shape in ONLY_SWEPT and sweep else _joined(model, sweep)
                if points:
                    found[kind, shape] = tuple(points)
        return found

    def _rows(self, name: str, direction: str, part: str = "", *shapes: str) -> list[Row]:
        return [
            row
            for row in self.rows
            if (row["op_class"], row["direction"]) == (name, direction)
            and part in ("", row["set"])
            and (not shapes or row["shape_class"] in shapes)
        ]

    def _points(self, rows: Iterable[Row], quantile: str, limit: float) -> list[tuple[float, float]]:
        """Points of the bins whose latency is clearly above the launch and whose fraction is below `limit`.

        An operator that exceeds the bandwidth read its data from the cache, because it was timed repeatedly.
        """
        points = []
        for row in rows:
            launch_us, ideal_us = self.launches[row["op_class"]], float(row["fraction_p50"]) * float(row["latency_us"])
            latency_us = ideal_us / float(row[quantile])
            fraction = ideal_us / (latency_us - launch_us) if latency_us > CLEAR * launch_us else limit
            if fraction < limit:
                points.append((ideal_us, fraction))
        return sorted(points)

    def _largest(self, name: str, direction: str, passes: float = 1) -> float | None:
        points = self._points(self._rows(name, direction), "fraction_p50", 1 / passes)
        return points[-1][1] * passes if points else None


def _joined(model: Sequence[tuple[float, float]], sweep: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Use the shapes of models in the range where they were measured, and the sweep below and above it."""
    if not model:
        return list(sweep)
    low_us, high_us = model[0][0], model[-1][0]
    return [p for p in sweep if p[0] < low_us / 2] + list(model) + [p for p in sweep if p[0] > high_us * 2]


def _middle(curves: Sequence[Points]) -> Points:
    sizes = sorted({us for points in curves for us, _ in points})
    return tuple((us, median(interpolate(points, us) for points in curves)) for us in sizes)


def _by_card(path: Path) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[row["gpu"]].append(row)
    return dict(rows)
