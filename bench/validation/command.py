"""`python -m bench validate`: the simulation beside all ground truth."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from bench import display
from bench.results import require_writable
from bench.validation import memtracker
from bench.validation.check import Check, Summary, summarise
from bench.validation.ground_truth import SAMPLE, MeasuredRun, read_runs
from bench.validation.memtracker import Comparison
from bench.validation.step_check import StepCheck, check_steps, summarise_steps
from bench.validation.step_labels import TimedStep, read_steps
from bench.validation.tables import (
    checks_table,
    comparison_table,
    step_summary_table,
    steps_table,
    summary_table,
)
from bench.validation.validate import check_published, check_run

Item = TypeVar("Item")


def validate(
    xmem: Annotated[
        Path, typer.Option("--xmem", help="Measured runs, a table with the columns of the default.")
    ] = SAMPLE,
    with_memtracker: Annotated[
        bool, typer.Option("--memtracker", help="Time PyTorch's MemTracker on the same cases, too.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the checks here, for the report.")] = None,
    step_time: Annotated[
        Path | None, typer.Option("--step-time", help="Measured step times instead: a table with NeuSight's columns.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on stdout and nothing else there.")] = False,
) -> int:
    """Simulate what others measured, and print predicted, measured and error; exit 1 if some run cannot be."""
    if out is not None:
        require_writable(out)
    if step_time is not None:
        steps = read_steps(step_time)
        step_checks = check_all_steps(steps)
        if out is not None:
            write_step_checks(out, step_checks)
        _show_steps(step_checks, as_json)
        return 0 if len(step_checks) == len(steps) else 1
    runs = read_runs(xmem)
    checks, known = check_all(runs)
    if out is not None:
        write_checks(out, checks)
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


def check_all(runs: Sequence[MeasuredRun]) -> tuple[list[Check], list[MeasuredRun]]:
    """Checks of measured runs and of all published peaks, and the runs that could be simulated; names the others."""
    checks, known = [], []
    for run in _told(runs, lambda run: run.id):
        try:
            checks.append(check_run(run))
            known.append(run)
        except ValueError as error:
            display.say(f"{run.id} is not simulated: {error}")
    return [*checks, *check_published()], known


def check_all_steps(steps: Sequence[TimedStep]) -> list[StepCheck]:
    """Checks of measured step times; names what is missing where the models cannot be built."""
    try:
        return list(_told(check_steps(steps), lambda check: check.id))
    except ValueError as error:
        display.say(f"measured step times are not predicted: {error}")
        return []


def write_checks(path: Path, checks: Sequence[Check]) -> None:
    """Replace a file by one JSON line for each check."""
    path.write_text("".join(json.dumps(_record(check)) + "\n" for check in checks), encoding="utf-8")


def write_step_checks(path: Path, checks: Sequence[StepCheck]) -> None:
    """Replace a file by one JSON line for each check."""
    path.write_text("".join(json.dumps(_step_record(check)) + "\n" for check in checks), encoding="utf-8")


def _step_record(check: StepCheck) -> dict[str, Any]:
    errors = {"error_percent": check.error_percent, "roofline_error_percent": check.roofline_error_percent}
    return asdict(check) | errors


def _show_steps(checks: Sequence[StepCheck], as_json: bool) -> None:
    summaries = summarise_steps(checks)
    if as_json:
        for check in checks:
            print(json.dumps({"step": _step_record(check)}))
        for summary in summaries:
            print(json.dumps({"step_summary": asdict(summary)}))
    else:
        display.stdout.print(steps_table(checks))
        display.stdout.print()
        display.stdout.print(step_summary_table(summaries))


def _record(check: Check) -> dict[str, Any]:
    return asdict(check) | {"error_percent": check.error_percent, "right_about_oom": check.right_about_oom}


def _print_json(checks: Sequence[Check], comparisons: Sequence[Comparison], summaries: Sequence[Summary]) -> None:
    for check in checks:
        print(json.dumps({"check": _record(check)}))
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
