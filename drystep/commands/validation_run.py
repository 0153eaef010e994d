"""Runs the checks of `validate` and prints them. Needs PyTorch, so the command imports it late."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from drystep.commands.exit_status import FAILED, OK
from drystep.commands.terminal import say, stderr, stdout
from drystep.commands.validation_tables import (
    checks_table,
    comparison_table,
    step_summary_table,
    steps_table,
    summary_table,
)
from drystep.validation import memtracker
from drystep.validation.check import Check, Summary, summarise
from drystep.validation.ground_truth import MeasuredRun, read_runs
from drystep.validation.memtracker import Comparison, TrackedCase
from drystep.validation.step_check import StepCheck, check_steps, summarise_steps
from drystep.validation.step_labels import TimedStep, read_steps
from drystep.validation.validate import check_run

Item = TypeVar("Item")


def validate_runs(
    table: Path,
    with_memtracker: bool,
    out: Path | None,
    as_json: bool,
    further: Iterable[Check] = (),
    tracked: Sequence[TrackedCase] = (),
) -> int:
    """Check the runs of a table and print them; FAILED if some run cannot be simulated.

    `further` are checks beside those of the table, `tracked` further cases for MemTracker. Raises `ValueError` for a
    bad table or a file that cannot be written.
    """
    if out is not None:
        require_writable(out)
    runs = read_runs(table)
    checks, known = check_all(runs)
    checks = [*checks, *further]
    if out is not None:
        write_checks(out, checks)
    comparisons = (
        list(_told(memtracker.compare(known, tracked), lambda comparison: comparison.id)) if with_memtracker else []
    )
    summaries = summarise(checks)
    if as_json:
        _print_json(checks, comparisons, summaries)
    else:
        stdout.print(checks_table(checks))
        if comparisons:
            stdout.print()
            stdout.print(comparison_table(comparisons))
        stdout.print()
        stdout.print(summary_table(summaries))
    return OK if len(known) == len(runs) else FAILED


def validate_steps(table: Path, out: Path | None, as_json: bool) -> int:
    """Check the step times of a table and print them; FAILED if some cannot be predicted."""
    if out is not None:
        require_writable(out)
    steps = read_steps(table)
    checks = check_all_steps(steps)
    if out is not None:
        write_step_checks(out, checks)
    _show_steps(checks, as_json)
    return OK if len(checks) == len(steps) else FAILED


def require_writable(path: Path) -> None:
    """Create folder and file if need be. Raises `ValueError` if nothing could be written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as error:
        raise ValueError(f"cannot write checks to {path}: {error.strerror or error}") from error


def check_all(runs: Sequence[MeasuredRun]) -> tuple[list[Check], list[MeasuredRun]]:
    """Checks of measured runs, and the runs that could be simulated; says which could not, and why."""
    checks, known = [], []
    for run in _told(runs, lambda run: run.id):
        try:
            checks.append(check_run(run))
            known.append(run)
        except ValueError as error:
            say(f"{run.id} is not simulated: {error}")
    return checks, known


def check_all_steps(steps: Sequence[TimedStep]) -> list[StepCheck]:
    """Checks of measured step times; names what is missing where the models cannot be built."""
    try:
        return list(_told(check_steps(steps), lambda check: check.id))
    except ValueError as error:
        say(f"measured step times are not predicted: {error}")
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
        stdout.print(steps_table(checks))
        stdout.print()
        stdout.print(step_summary_table(summaries))


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
    with stderr.status("") as waiting:
        for item in items:
            waiting.update(name(item))
            yield item
