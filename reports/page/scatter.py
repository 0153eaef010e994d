"""Memory against predicted step time: places of points and of their labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reports.page.outcomes import Outcome, Setting
from reports.plots.label_stacks import spread
from reports.units import GIB

RIGHT = 62.0
"""Percent of the width in which the points lie; their labels stand beside it."""
LEFT = 9.0
TOP, BOTTOM = 12, 44
LINE = 16
"""Pixels: above and below the points, and from label to label."""
LEAST_HEIGHT = 240
TICKS = 4


@dataclass(frozen=True)
class Point:
    """One method; across in percent of the width, down in pixels."""

    key: str
    label: str
    across: float
    down: float
    label_down: float
    words: str


@dataclass(frozen=True)
class Tick:
    """A line of the grid, and its figure."""

    at: float
    text: str


@dataclass(frozen=True)
class Scatter:
    """The picture."""

    card: str
    is_scaled: bool
    points: Sequence[Point]
    across: Sequence[Tick]
    down: Sequence[Tick]
    height: int


def scatter(setting: Setting) -> Scatter | None:
    """The picture for the card for which most methods have a predicted time; None where fewer than two have one."""
    counts = Counter(card for outcome in setting.outcomes if outcome.reserved_bytes for card in outcome.predicted_ms)
    if not counts:
        return None
    card, count = counts.most_common(1)[0]
    if count < 2:
        return None
    shown = [outcome for outcome in setting.outcomes if outcome.reserved_bytes and card in outcome.predicted_ms]
    most_ms = max(outcome.predicted_ms[card] for outcome in shown) or 1.0
    most_gib = max(_gib(outcome) for outcome in shown)
    plot = max(LEAST_HEIGHT, LINE * len(shown))
    shown.sort(key=_gib, reverse=True)
    wanted = [_down(_gib(outcome), most_gib, plot) for outcome in shown]
    points = [
        Point(
            outcome.key,
            outcome.label,
            _across(outcome.predicted_ms[card], most_ms),
            down,
            label_down,
            f"{outcome.label}: {outcome.predicted_ms[card]:.1f} ms, {_gib(outcome):.2f} GiB",
        )
        for outcome, down, label_down in zip(shown, wanted, _inside(spread(wanted, LINE), plot), strict=True)
    ]
    return Scatter(
        card,
        any(card in outcome.scaled for outcome in shown),
        points,
        [Tick(_across(value, most_ms), f"{value:g}") for value in _ticks(most_ms)],
        [Tick(_down(value, most_gib, plot), f"{value:g}") for value in _ticks(most_gib)],
        plot + TOP + BOTTOM,
    )


def _gib(outcome: Outcome) -> float:
    return (outcome.reserved_bytes or 0.0) / GIB


def _across(value: float, most: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * value / (most * 1.05), 2)


def _down(value: float, most: float, plot: int) -> float:
    return round(TOP + plot * (1 - value / (most * 1.05)), 1)


def _inside(places: Sequence[float], plot: int) -> list[float]:
    """Labels moved up or down together so that the column ends inside the picture."""
    over = max(places[-1] - (TOP + plot), 0.0)
    under = max(TOP - (places[0] - over), 0.0)
    return [round(place - over + under, 1) for place in places]


def _ticks(most: float) -> list[float]:
    """Round figures from zero to the largest."""
    rough = most / TICKS
    magnitude = 10.0 ** (len(f"{rough:.0f}") - 1) if rough >= 1 else 10.0 ** -_leading_zeros(rough)
    step = next(factor * magnitude for factor in (1, 2, 5, 10, 20) if factor * magnitude >= rough)
    return [round(step * number, 10) for number in range(int(most * 1.05 / step) + 1)]


def _leading_zeros(value: float) -> int:
    """How many places behind the point the first digit is."""
    places = 0
    while value < 1 and places < 12:
        value *= 10
        places += 1
    return places
