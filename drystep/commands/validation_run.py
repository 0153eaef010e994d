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
    report_summary_table,
    reports_table,
    step_summary_table,
    steps_table,
    summary_table,
)
from drystep.errors import OutputError
from drystep.validation import memtracker
from drystep.validation.check import Check, Summary, summarise
from drystep.validation.check_files import (
    MEMORY_CHECKS,
    STEP_CHECKS,
    CheckKind,
    require_checks_file,
    write_checks_file,
)
from drystep.validation.ground_truth import MeasuredRun, read_runs
from drystep.validation.memtracker import Comparison, TrackedCase
from drystep.validation.report_check import ReportCheck, check_report, summarise_reports
from drystep.validation.reports import read_reports
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
    bad table or a file that holds something else than checks, and `OutputError` where they cannot be written after all.
    """
    if out is not None:
        require_checks_file(out, MEMORY_CHECKS)
    runs = read_runs(table)
    checks, known = check_all(runs)
    checks = [*checks, *further]
    _show_checks(checks, as_json)  # before writing, so that they are shown even if the disk is full
    if out is not None:
        write_checks(out, checks)
    if with_memtracker:
        compared = memtracker.compare(known, tracked)
        _show_comparisons(list(_told(compared, lambda comparison: comparison.id)), as_json)
    _show_summaries(summarise(checks), as_json)
    return OK if len(known) == len(runs) else FAILED


def validate_steps(table: Path, out: Path | None, as_json: bool) -> int:
    """Check the step times of a table and print them; FAILED if some cannot be predicted."""
    if out is not None:
        require_checks_file(out, STEP_CHECKS)
    steps = read_steps(table)
    checks = check_all_steps(steps)
    _show_steps(checks, as_json)
    if out is not None:
        write_step_checks(out, checks)
    return OK if len(checks) == len(steps) else FAILED


def validate_reports(table: Path, rebuilds: Path | None, as_json: bool) -> int:
    """Check published figures of rebuilt steps and print them; FAILED if some step cannot be simulated.

    Raises `ValueError` for a bad table, or where the file with the rebuilt steps is missing.
    """
    reports = read_reports(table)
    if rebuilds is None or not rebuilds.is_file():
        raise ValueError("--reports needs --rebuilds FILE.py, whose functions the column rebuild names")
    checks = []
    for report in _told(reports, lambda report: report.id):
        try:
            checks.append(check_report(report, rebuilds))
        except ValueError as error:
            say(f"{report.id} is not simulated: {error}")
            continue
        if as_json:  # at once, because a row may take a minute
            print(json.dumps({"report": _report_record(checks[-1])}), flush=True)
    summaries = summarise_reports(checks)
    if as_json:
        for summary in summaries:
            print(json.dumps({"report_summary": asdict(summary)}))
    else:
        stdout.print(reports_table(checks))
        stdout.print()
        stdout.print(report_summary_table(summaries))
    return OK if len(checks) == len(reports) else FAILED


def _report_record(check: ReportCheck) -> dict[str, Any]:
    derived = ("error_percent", "within_rounding", "right")
    return asdict(check) | {name: getattr(check, name) for name in derived}


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
    """Replace a file by one JSON line for each check. Raises `OutputError`."""
    _write(path, MEMORY_CHECKS, map(_record, checks))


def write_step_checks(path: Path, checks: Sequence[StepCheck]) -> None:
    """Replace a file by one JSON line for each check. Raises `OutputError`."""
    _write(path, STEP_CHECKS, map(_step_record, checks))


def _write(path: Path, kind: CheckKind, records: Iterable[dict[str, Any]]) -> None:
    try:
        write_checks_file(path, kind, records)
    except OSError as error:
        raise OutputError(f"cannot write checks to {path}: {error.strerror or error}") from error


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


def _show_checks(checks: Sequence[Check], as_json: bool) -> None:
    if as_json:
        for check in checks:
            print(json.dumps({"check": _record(check)}))
    else:
        stdout.print(checks_table(checks))


def _show_comparisons(comparisons: Sequence[Comparison], as_json: bool) -> None:
    if as_json:
        for comparison in comparisons:
            figures = {name: getattr(comparison, name) for name in memtracker.DERIVED}
            print(json.dumps({"memtracker": asdict(comparison) | figures}))
    elif comparisons:
        stdout.print()
        stdout.print(comparison_table(comparisons))


def _show_summaries(summaries: Sequence[Summary], as_json: bool) -> None:
    if as_json:
        for summary in summaries:
            print(json.dumps({"summary": asdict(summary)}))
    else:
        stdout.print()
        stdout.print(summary_table(summaries))


def _told(items: Iterable[Item], name: Callable[[Item], str]) -> Iterator[Item]:
    """Pass items on, and say how far they are."""
    with stderr.status("") as waiting:
        for item in items:
            waiting.update(name(item))
            yield item
