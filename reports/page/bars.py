"""Bars of memory at the peak: where they begin and end, in percent of the picture's width."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.page.looks import KINDS
from reports.page.outcomes import Outcome, Setting
from reports.page.verdicts import gib
from reports.units import GIB

ROW, CARD_ROW = 36, 15
"""Heights in pixels: of a bar with its name above it, and of a card's name."""
MOST_LINES = 12
"""Of cards; the names of more would leave no room for the bars."""
ROOM = 1.12
"""The scale ends so much beyond the longest bar: its figure stands there."""


@dataclass(frozen=True)
class Part:
    """A stretch of a bar."""

    kind: str
    left: float
    width: float
    words: str


@dataclass(frozen=True)
class Bar:
    """One method."""

    key: str
    label: str
    top: int
    parts: Sequence[Part]
    end: float
    total: str


@dataclass(frozen=True)
class CardLine:
    """The memory that a step can use on a card."""

    card: str
    size: str
    at: float
    row: int


@dataclass(frozen=True)
class Bars:
    """The picture."""

    bars: Sequence[Bar]
    lines: Sequence[CardLine]
    left_out: Sequence[str]
    """Cards that have no line: most because it would lie outside the picture."""
    kinds: Mapping[str, str]
    has_cached: bool
    top: int
    height: int


def bars(setting: Setting) -> Bars | None:
    """Stacked bars of a setting, or None where nothing is known of its peaks."""
    shown = [(outcome, parts) for outcome in setting.outcomes if (parts := _by_kind(outcome))]
    if not shown:
        return None
    longest = max(_length(outcome, parts) for outcome, parts in shown)
    sizes = [(card, usable) for card, usable in setting.cards if usable]
    next_card = min((usable for _, usable in sizes if usable >= longest), default=0.0)
    scale = max(longest * ROOM, min(next_card, 2 * longest) * 1.02)
    inside = [(card, usable) for card, usable in sizes if usable <= scale][-MOST_LINES:]
    top = CARD_ROW * len(inside) + 6
    lines = [
        CardLine(card, gib(usable / GIB), _percent(usable, scale), CARD_ROW * (row + 1))
        for row, (card, usable) in enumerate(inside)
    ]
    drawn = [_bar(outcome, parts, scale, top + ROW * number) for number, (outcome, parts) in enumerate(shown)]
    used = {part.kind for bar in drawn for part in bar.parts}
    return Bars(
        drawn,
        lines,
        [f"{card} ({gib(usable / GIB)} GiB)" for card, usable in sizes if (card, usable) not in inside],
        {kind: name for kind, name in KINDS.items() if kind in used},
        "cached" in used,
        top,
        top + ROW * len(drawn) + 6,
    )


def _by_kind(outcome: Outcome) -> dict[str, float]:
    """Bytes by kind; kinds of unknown name count as temporary."""
    sums: dict[str, float] = {}
    for kind, size in outcome.at_peak.items():
        name = kind if kind in KINDS else "other"
        sums[name] = sums.get(name, 0.0) + max(size, 0.0)
    return {kind: sums[kind] for kind in KINDS if sums.get(kind)}


def _length(outcome: Outcome, parts: Mapping[str, float]) -> float:
    return max(outcome.reserved_bytes or 0.0, sum(parts.values()))


def _bar(outcome: Outcome, sizes: Mapping[str, float], scale: float, top: int) -> Bar:
    parts, end = [], 0.0
    for kind, size in sizes.items():
        parts.append(_part(kind, KINDS[kind], end, size, scale))
        end += size
    total = f"{gib(end / GIB)} GiB"
    cached = (outcome.reserved_bytes or 0.0) - end
    if cached > 0:
        parts.append(_part("cached", "reserved, not allocated", end, cached, scale))
        end += cached
        total = f"{total}, {gib(end / GIB)} reserved"
    return Bar(outcome.key, outcome.label, top, parts, _percent(end, scale), total)


def _part(kind: str, name: str, start: float, size: float, scale: float) -> Part:
    return Part(kind, _percent(start, scale), _percent(size, scale), f"{name}: {size / GIB:.2f} GiB")


def _percent(size: float, scale: float) -> float:
    return round(100 * size / scale, 3)
