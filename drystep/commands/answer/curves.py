"""Memory over a step as the coordinates of a picture, however many operators the step has."""

from collections.abc import Mapping, Sequence
from typing import Any

from drystep.commands.answer.peak_tables import size_words
from drystep.units import GIB, MIB

COLUMNS, ROWS = 1000, 1000
"""Coordinates of the picture, which is stretched to the width of a window."""
HEADROOM = 1.22
"""Height of the picture over its highest line: room for the names of phases and for the words at the peak."""
NEAR = 1.3
"""A card's line is drawn up to this many times the peak: a far one would flatten the curve."""
NAMED_SHARE = 0.12
"""Part of the width from which on a phase has room for its name."""
LABEL_GAP = 0.05
"""Part of the height that a card's line keeps from the next one for its label."""
MOST_TICKS = 5
STEPS = (1, 2, 5)
Explained = Mapping[str, Any]


def picture(explained: Explained, capacities: Mapping[str, int]) -> dict[str, Any]:
    """What the template draws; `capacities` are usable bytes by label of a card. Places are percentages."""
    moments, operators = explained["moments"], explained["operators"]
    first, count = operators[0]["index"], len(operators)
    at = [(operator - first) / count for operator in moments["operator"]]
    highest = max(explained["peak"]["allocated_bytes"], *moments["reserved_bytes"], *moments["allocated_bytes"], 1)
    near = {label: size for label, size in capacities.items() if size <= highest * NEAR}
    top = max([highest, *near.values()]) * HEADROOM
    allocated = curve(at, [size / top for size in moments["allocated_bytes"]])
    peak = explained["peak"]
    return {
        "columns": COLUMNS,
        "rows": ROWS,
        "operators": f"{count:,}",
        "allocated": allocated,
        "area": f"{allocated} V{ROWS} H0 Z",
        "reserved": curve(at, [size / top for size in moments["reserved_bytes"]]),
        "spans": _spans(operators),
        "ticks": [{"y": _y(size / top), "label": size_text(size)} for size in _ticks(top)],
        "cards": _cards(near, top),
        "peak": _peak((peak["operator"] - first) / count, peak["allocated_bytes"], top),
    }


def curve(at: Sequence[float], heights: Sequence[float]) -> str:
    """The path of a step function of `at`, which rises from 0 to 1; each column keeps its lowest and highest point."""
    columns: dict[int, list[float]] = {}
    for place, height in zip(at, heights, strict=True):
        columns.setdefault(min(int(place * COLUMNS), COLUMNS - 1), []).append(height)
    if not columns:
        return f"M0 {ROWS} H{COLUMNS}"
    parts = [f"M0 {_row(next(iter(columns.values()))[0])}"]
    for column, points in sorted(columns.items()):
        ends = dict.fromkeys(map(_row, (points[0], max(points), min(points), points[-1])))
        parts += [f"H{column}", *(f"V{end}" for end in ends)]
        if _row(points[-1]) != list(ends)[-1]:
            parts.append(f"V{_row(points[-1])}")
    return " ".join([*parts, f"H{COLUMNS}"])


def size_text(size_bytes: float) -> str:
    """A size on the axis."""
    return f"{size_bytes / GIB:g} GiB" if size_bytes >= GIB else f"{size_bytes / MIB:g} MiB"


def _spans(operators: Sequence[Explained]) -> list[dict[str, Any]]:
    """Runs of operators of one phase."""
    starts = [
        (number, operator["phase"])
        for number, operator in enumerate(operators)
        if number == 0 or operators[number - 1]["phase"] != operator["phase"]
    ]
    found, count = [], len(operators)
    for (start, phase), (end, _) in zip(starts, [*starts[1:], (count, "")], strict=True):
        x, width = 100 * start / count, 100 * (end - start) / count
        named = width >= 100 * NAMED_SHARE
        found.append(
            {"phase": phase, "x": _two(x), "width": _two(width), "middle": _two(x + width / 2), "named": named}
        )
    return found


def _ticks(top: float) -> list[float]:
    """Round sizes up the axis, without 0."""
    unit = GIB if top >= GIB else MIB
    scale = 1.0
    while True:
        for step in STEPS:
            size = step * scale * unit
            if top / size <= MOST_TICKS + 1:
                return [number * size for number in range(1, int(top / HEADROOM / size) + 1)]
        scale *= 10


def _cards(near: Mapping[str, int], top: float) -> list[dict[str, str]]:
    """Lines of cards from the smallest on; one that would cover the label of another is left out."""
    found: list[dict[str, str]] = []
    last = float("-inf")
    for label, size in sorted(near.items(), key=lambda item: item[1]):
        if size / top - last >= LABEL_GAP:
            found.append({"y": _y(size / top), "label": f"{label}: {size / GIB:.1f} GiB usable"})
            last = size / top
    return found


def _peak(x: float, size_bytes: int, top: float) -> dict[str, str]:
    anchor = "start" if x < 1 / 3 else "end" if x > 2 / 3 else "middle"
    return {"x": _two(100 * x), "y": _y(size_bytes / top), "anchor": anchor, "label": size_words(size_bytes)}


def _row(height: float) -> str:
    return f"{ROWS * (1 - height):.0f}"


def _y(height: float) -> str:
    return _two(100 * (1 - height))


def _two(number: float) -> str:
    return f"{number:.2f}"
