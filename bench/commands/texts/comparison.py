"""A comparison for people: a table for the terminal, Markdown for a pull request, and JSON lines."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite

from rich.table import Table

from bench.results.compare import Change, Comparison, Outcome
from drystep.bounds import is_finite
from drystep.commands.terminal import plain_table
from drystep.units import ABSENT, MIB
from reports.escaping import markdown_cell, markdown_line

WORST_FIRST: tuple[Outcome, ...] = ("worse", "missing", "better", "changed", "new", "not gated", "same")
WITHIN = "within tolerance"
COLUMNS = ("case", "figure", "before", "after", "change", "allowed", "")


def table(changes: Sequence[Change]) -> Table:
    """One row per figure."""
    table = plain_table(COLUMNS)
    for change in changes:
        table.add_row(*_cells(change))
    return table


def summary(changes: Sequence[Change]) -> str:
    """How many figures of how many cases came out how."""
    counts = Counter(change.outcome for change in changes)
    parts = [f"{counts[outcome]} {_word(outcome)}" for outcome in WORST_FIRST if counts[outcome]]
    cases = len({change.case for change in changes})
    return f"{len(changes)} figures of {cases} cases: {', '.join(parts)}"


def markdown(comparison: Comparison, only_changed: bool = False) -> Iterator[str]:
    """Lines of GitHub's Markdown: what moved, the worst first; the rest is folded away, or left out."""
    ordered = sorted(comparison.changes, key=lambda change: WORST_FIRST.index(change.outcome))
    moved = [change for change in ordered if change.outcome != "same"]
    same = [change for change in ordered if change.outcome == "same"]
    verdict = "Worse" if comparison.worse else "Nothing got worse"
    yield f"**{verdict}.** {markdown_cell(summary(comparison.changes))}"
    if comparison.notes:
        yield ""
        yield from (f"- {markdown_line(note)}" for note in comparison.notes)
    if moved:
        yield ""
        yield from _markdown_table(moved)
    if same and not only_changed:
        yield ""
        yield f"<details><summary>{len(same)} figures {WITHIN}</summary>"
        yield ""
        yield from _markdown_table(same)
        yield ""
        yield "</details>"


def json_lines(comparison: Comparison) -> Iterator[str]:
    """First the differing environment, if it differs; then one line per figure.

    A side without the figure, or whose figure is not finite, has null.
    """
    if comparison.environment:
        yield json.dumps({"environment": {name: list(sides) for name, sides in comparison.environment.items()}})
    for change in comparison.changes:
        percent = change.percent if change.percent is not None and isfinite(change.percent) else None
        fields = {
            "case": change.case.as_dict(),
            "metric": change.metric,
            "before": _finite(change.before),
            "after": _finite(change.after),
            "percent": percent,
            "tolerance_percent": change.tolerance_percent,
            "outcome": change.outcome,
        }
        yield json.dumps(fields)


def _cells(change: Change) -> tuple[str, ...]:
    percent = f"{change.percent:+.2f} %" if change.percent is not None and isfinite(change.percent) else ABSENT
    allowed = ABSENT if change.tolerance_percent is None else f"{change.tolerance_percent:g} %"
    values = (_figure(change, value) for value in (change.before, change.after))
    return (change.case.title, change.metric, *values, percent, allowed, _word(change.outcome, same=""))


def _finite(value: float | str | None) -> float | str | None:
    return value if value is None or isinstance(value, str) or is_finite(value) else None


def _figure(change: Change, value: float | str | None) -> str:
    if value is None:
        return "missing"
    if isinstance(value, str):
        return value.replace("_", " ")
    if change.kind == "memory":
        return f"{value / MIB:,.1f} MiB"
    return {"time": f"{value:,.1f} ms", "ratio": f"{value:.3f}"}.get(change.kind, f"{value:,.0f}")


def _word(outcome: Outcome, same: str = WITHIN) -> str:
    return same if outcome == "same" else outcome


def _markdown_table(changes: Iterable[Change]) -> Iterator[str]:
    yield "| case | figure | before | after | change | allowed | |"
    yield "|---|---|--:|--:|--:|--:|---|"
    for change in changes:
        cells = [markdown_cell(cell) for cell in _cells(change)]
        if change.worse:
            cells[-1] = f"**{cells[-1]}**"
        yield f"| {' | '.join(cells)} |"
