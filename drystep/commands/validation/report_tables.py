"""Checks of published figures as tables for people."""

from collections.abc import Sequence

from rich.table import Table

from drystep.commands.terminal import plain_table
from drystep.commands.validation.cells import part, percent
from drystep.units import ABSENT, MIB
from drystep.validation.field_reports.check import ReportCheck
from drystep.validation.field_reports.summaries import ReportSummary, RivalSummary


def reports_table(checks: Sequence[ReportCheck]) -> Table:
    """One row per published figure; a column for MemTracker if it was asked."""
    tracked = any(check.memtracker_bytes is not None or check.memtracker_message for check in checks)
    table = plain_table([
        "row", "quantity", "predicted MiB", "published MiB", "error", "right", "rules", "accelerate's error",
        *(["MemTracker's error"] if tracked else []),
    ], left=2)  # fmt: skip
    for check in checks:
        rivals = [_rival(check, check.accelerate_bytes)]
        rivals += [_rival(check, check.memtracker_bytes)] if tracked else []
        table.add_row(
            check.id,
            check.quantity.replace("_", " "),
            _predicted(check),
            check.measured_verdict or _mib(check.measured_bytes),
            ABSENT if check.by_trial else percent(check.error_percent, sign="+"),
            _right(check),
            f"{check.rules}, {check.precision}",
            *rivals,
        )
    return table


def report_summary_table(summaries: Sequence[ReportSummary]) -> Table:
    """One row per family of steps, and one of all."""
    table = plain_table([
        "family", "rows", "median error", "largest error", "within rounding", "within interval",
        "verdicts right", "undecided",
    ])  # fmt: skip
    for summary in summaries:
        table.add_row(
            summary.family,
            str(summary.rows),
            percent(summary.median_percent),
            percent(summary.max_percent),
            part(summary.within_rounding, summary.compared),
            part(summary.intervals_right, summary.intervals),
            part(summary.verdicts_right, summary.verdicts),
            str(summary.verdicts_undecided) if summary.verdicts else ABSENT,
        )
    return table


def rival_table(summaries: Sequence[RivalSummary]) -> Table:
    """One row per other estimator, with drystep on the same rows."""
    table = plain_table(["on the same rows", "rows", "median error", "drystep's", "verdicts right", "drystep's right"])
    for summary in summaries:
        table.add_row(
            summary.rival,
            str(summary.compared),
            percent(summary.median_percent),
            percent(summary.our_median_percent),
            part(summary.verdicts_right, summary.verdicts),
            part(summary.our_verdicts_right, summary.verdicts),
        )
    return table


def _predicted(check: ReportCheck) -> str:
    """The verdict, or the figure; the interval in which cuDNN's trials leave it."""
    if check.predicted_verdict:
        return check.predicted_verdict.replace("_", " ")
    if check.by_trial and check.least_bytes is not None:
        return f"{_mib(check.least_bytes)} to {_mib(check.most_bytes)}"
    return _mib(check.predicted_bytes)


def _right(check: ReportCheck) -> str:
    """What is right of a row: its verdict, its interval, or its figure to the published digits."""
    if check.judged is not None:
        return check.judged
    if check.by_trial:
        return "in interval" if check.within_interval else "not in interval"
    return "within rounding" if check.within_rounding else ABSENT


def _rival(check: ReportCheck, predicted_bytes: int | None) -> str:
    """The error of another estimator, or its verdict."""
    return check.verdict_of(predicted_bytes) or percent(check.error_of(predicted_bytes), sign="+")


def _mib(size_bytes: int | None) -> str:
    return ABSENT if size_bytes is None else f"{size_bytes / MIB:,.0f}"
