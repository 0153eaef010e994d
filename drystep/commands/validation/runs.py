"""Runs the checks of `validate` and prints them. Needs PyTorch, so the command imports it late."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from drystep.calibration.validation import TimeErrors
from drystep.commands.exit_status import FAILED, OK
from drystep.commands.terminal import say, stdout
from drystep.commands.validation.choice import Chosen
from drystep.commands.validation.progress import told
from drystep.commands.validation.reports import check_reports, families_of, report_record, show_reports
from drystep.commands.validation.tables import (
    checks_table,
    comparison_table,
    step_summary_table,
    steps_table,
    summary_table,
)
from drystep.errors import OutputError
from drystep.validation import memtracker
from drystep.validation.check import Check, summarise
from drystep.validation.check_files import (
    MEMORY_CHECKS,
    REPORT_CHECKS,
    STEP_CHECKS,
    TIME_CHECKS,
    marked,
    require_checks_file,
    write_checks_file,
)
from drystep.validation.field_reports.check import ReportCheck
from drystep.validation.field_reports.rows import read_reports
from drystep.validation.ground_truth import MeasuredRun, read_runs
from drystep.validation.memtracker import Comparison, TrackedCase
from drystep.validation.step_check import StepCheck, check_steps, summarise_steps
from drystep.validation.step_labels import TimedStep, read_steps
from drystep.validation.validate import check_run

Row = TypeVar("Row")


def validate_chosen(
    chosen: Chosen,
    match: str,
    with_memtracker: bool,
    out: Path | None,
    as_json: bool,
    further: Callable[[], Iterable[Check]] = tuple,
    tracked: Sequence[TrackedCase] = (),
) -> int:
    """Check the chosen tables and print them; FAILED if some row cannot be simulated.

    `match` is a part of the names of the rows to check, "" for all. `further` makes checks beside those of the tables,
    and `tracked` are further cases for MemTracker. Raises `ValueError` for a bad table or a file that holds something
    else than checks, and `OutputError` where they cannot be written after all.
    """
    if chosen.step_times is not None:
        if with_memtracker:
            raise ValueError("--memtracker compares memory: leave it out where step times are checked")
        return _validate_steps(chosen.step_times, match, out, as_json)
    return _validate_memory(chosen, match, with_memtracker, out, as_json, further, tracked)


def _validate_memory(
    chosen: Chosen,
    match: str,
    with_memtracker: bool,
    out: Path | None,
    as_json: bool,
    further: Callable[[], Iterable[Check]],
    tracked: Sequence[TrackedCase],
) -> int:
    if out is not None:
        require_checks_file(out, MEMORY_CHECKS, REPORT_CHECKS)
    all_runs = read_runs(chosen.xmem) if chosen.xmem is not None else []
    all_reports = read_reports(chosen.reports) if chosen.reports is not None else []
    families = families_of(all_reports, chosen.rebuilds)
    runs = [run for run in all_runs if match in run.id]
    reports = [report for report in all_reports if match in report.id]
    if not runs and not reports and not chosen.suite:
        raise ValueError(f"no row's name contains {match!r}")
    checks, known = check_all(runs)
    checks += [check for check in further() if match in check.id]
    if checks:
        of_rivals = [case for case in tracked if match in case[0]]
        _show_memory(checks, known, of_rivals, with_memtracker, as_json)
    report_checks = check_reports(reports, families, with_memtracker, as_json)
    if report_checks:
        if checks and not as_json:
            stdout.print()
        show_reports(report_checks, as_json)
    if out is not None:
        write_checks(out, checks, report_checks)
    return OK if (len(known), len(report_checks)) == (len(runs), len(reports)) else FAILED


def _validate_steps(table: Path, match: str, out: Path | None, as_json: bool) -> int:
    if out is not None:
        require_checks_file(out, STEP_CHECKS, TIME_CHECKS)
    steps = read_steps(table)
    checks = [check for check in check_all_steps(steps) if match in check.id]
    _show_steps(checks, as_json)
    if out is not None:
        write_step_checks(out, checks)
    return OK if checks else FAILED


def check_all(runs: Sequence[MeasuredRun]) -> tuple[list[Check], list[MeasuredRun]]:
    """Checks of measured runs, and the runs that could be simulated; says which could not, and why."""
    checks, known = [], []
    for run in told(runs, lambda run: run.id):
        try:
            checks.append(check_run(run))
            known.append(run)
        except ValueError as error:
            say(f"{run.id} is not simulated: {error}")
    return checks, known


def check_all_steps(steps: Sequence[TimedStep]) -> list[StepCheck]:
    """Checks of measured step times; names what is missing where the models cannot be built."""
    try:
        return list(told(check_steps(steps), lambda check: check.id))
    except ValueError as error:
        say(f"measured step times are not predicted: {error}")
        return []


def write_checks(path: Path, checks: Sequence[Check], report_checks: Sequence[ReportCheck] = ()) -> None:
    """Replace a file by one JSON line for each check. Raises `OutputError`."""
    _write(
        path, [*marked(MEMORY_CHECKS, map(_record, checks)), *marked(REPORT_CHECKS, map(report_record, report_checks))]
    )


def write_step_checks(path: Path, checks: Sequence[StepCheck], times: Sequence[TimeErrors] = ()) -> None:
    """Replace a file by one JSON line for each check, and for the errors of each calibration. Raises `OutputError`."""
    calibrations = ({**asdict(errors.part.errors), **_part(errors)} for errors in times)
    _write(path, [*marked(STEP_CHECKS, map(_step_record, checks)), *marked(TIME_CHECKS, calibrations)])


def _part(errors: TimeErrors) -> dict[str, str]:
    return {
        "card": errors.card,
        "mode": errors.mode,
        "layout": errors.part.layout,
        "precision": errors.part.precision,
    }


def _write(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    try:
        write_checks_file(path, lines)
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


def _show_memory(
    checks: Sequence[Check],
    known: Sequence[MeasuredRun],
    tracked: Sequence[TrackedCase],
    with_memtracker: bool,
    as_json: bool,
) -> None:
    """Print the checks, MemTracker beside them if it is wanted, and the summaries."""
    if as_json:
        for check in checks:
            print(json.dumps({"check": _record(check)}))
    else:
        stdout.print(checks_table(checks))
    if with_memtracker:
        compared = memtracker.compare(known, tracked)
        _show_comparisons(list(told(compared, lambda comparison: comparison.id)), as_json)
    summaries = summarise(checks)
    if as_json:
        for summary in summaries:
            print(json.dumps({"summary": asdict(summary)}))
    else:
        stdout.print()
        stdout.print(summary_table(summaries))


def _show_comparisons(comparisons: Sequence[Comparison], as_json: bool) -> None:
    if as_json:
        for comparison in comparisons:
            figures = {name: getattr(comparison, name) for name in memtracker.DERIVED}
            print(json.dumps({"memtracker": asdict(comparison) | figures}))
    elif comparisons:
        stdout.print()
        stdout.print(comparison_table(comparisons))
