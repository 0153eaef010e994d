"""Two sets of results, case by case: what got worse by more than it may."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.case import Case
from bench.results import Result

Metric = Literal["status", "allocated", "reserved", "step"]
ROUNDING = 1e-9
"""Percent by which arithmetic may miss a growth that equals its tolerance."""
SEVERITY = {"ok": 0, "oom": 1, "error": 2}


@dataclass(frozen=True)
class Tolerance:
    """By how many percent a figure may grow."""

    memory_percent: float = 1.0
    time_percent: float = 25.0


@dataclass(frozen=True)
class Change:
    """One figure of one case, before and after."""

    case: Case
    metric: Metric
    before: float | str
    """Bytes, milliseconds, or a status."""
    after: float | str
    percent: float | None
    """Growth; None for a status."""
    worse: bool


def compare(before: Sequence[Result], after: Sequence[Result], tolerance: Tolerance) -> list[Change]:
    """All figures that both sides have. Raises `ValueError` when they share no case."""
    earlier = {result.case: result for result in before}
    common = [(earlier[result.case], result) for result in after if result.case in earlier]
    if not common:
        raise ValueError("the two files have no case in common")
    return [change for pair in common for change in _changes(*pair, tolerance)]


def _changes(before: Result, after: Result, tolerance: Tolerance) -> list[Change]:
    if before.status != after.status:
        worse = SEVERITY[after.status] > SEVERITY[before.status]
        return [Change(after.case, "status", before.status, after.status, None, worse)]
    figures: list[tuple[Metric, float | None, float | None, float]] = [
        ("allocated", *_pair(before, after, "peak_allocated_bytes"), tolerance.memory_percent),
        ("reserved", *_pair(before, after, "peak_reserved_bytes"), tolerance.memory_percent),
        ("step", _median_ms(before), _median_ms(after), tolerance.time_percent),
    ]
    changes = []
    for metric, old, new, allowed in figures:
        if old is not None and new is not None:
            percent = 100 * (new / old - 1)
            changes.append(Change(after.case, metric, old, new, percent, percent > allowed + ROUNDING))
    return changes


def _pair(before: Result, after: Result, name: str) -> tuple[float | None, float | None]:
    return (before.memory or {}).get(name), (after.memory or {}).get(name)


def _median_ms(result: Result) -> float | None:
    return result.time["step_ms"]["median"] if result.time else None
