"""`python -m bench validate`: the simulation beside all ground truth."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from bench import display
from bench.validation import memtracker
from bench.validation.check import Check, Summary, summarise
from bench.validation.ground_truth import SAMPLE, MeasuredRun, read_runs
from bench.validation.memtracker import Comparison
from bench.validation.tables import checks_table, comparison_table, summary_table
from bench.validation.validate import check_published, check_run

Item = TypeVar("Item")


def validate(
    xmem: Annotated[
        Path, typer.Option("--xmem", help="Measured runs, a table with the columns of the default.")
    ] = SAMPLE,
    with_memtracker: Annotated[
        bool, typer.Option("--memtracker", help="Time PyTorch's MemTracker on the same cases, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on stdout and nothing else there.")] = False,
) -> int:
    """Simulate what others measured, and print predicted, measured and error; exit 1 if some run cannot be."""
    runs = read_runs(xmem)
    checks, known = _check(runs)
    checks += check_published()
    comparisons = list(_told(memtracker.compare(known), lambda comparison: comparison.id)) if with_memtracker else []
    summaries = summarise(checks)
    if as_json:
        _print_json(checks, comparisons, summaries)
    else:
        display.stdout.print(checks_table(checks))
        if comparisons:
            display.stdout.print()
            display.stdout.print(comparison_table(comparisons))
        display.stdout.print()
        display.stdout.print(summary_table(summaries))
    return 0 if len(known) == len(runs) else 1


def _check(runs: Sequence[MeasuredRun]) -> tuple[list[Check], list[MeasuredRun]]:
    """Checks, and the runs that could be simulated; what could not be is said."""
    checks, known = [], []
    for run in _told(runs, lambda run: run.id):
        try:
            checks.append(check_run(run))
            known.append(run)
        except ValueError as error:
            display.say(f"{run.id} is not simulated: {error}")
    return checks, known


def _print_json(checks: Sequence[Check], comparisons: Sequence[Comparison], summaries: Sequence[Summary]) -> None:
    for check in checks:
        figures = {"error_percent": check.error_percent, "right_about_oom": check.right_about_oom}
        print(json.dumps({"check": asdict(check) | figures}))
    for comparison in comparisons:
        figures = {name: getattr(comparison, name) for name in memtracker.DERIVED}
        print(json.dumps({"memtracker": asdict(comparison) | figures}))
    for summary in summaries:
        print(json.dumps({"summary": asdict(summary)}))


def _told(items: Iterable[Item], name: Callable[[Item], str]) -> Iterator[Item]:
    """Pass items on, and say how far they are."""
    with display.stderr.status("") as waiting:
        for item in items:
            waiting.update(name(item))
            yield item
