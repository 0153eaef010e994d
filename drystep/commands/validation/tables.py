"""Checks of measured runs and step times as tables for people."""

from collections.abc import Sequence

from rich.table import Table

from drystep.commands.terminal import plain_table
from drystep.commands.validation.cells import part, percent
from drystep.units import ABSENT, MIB
from drystep.validation.check import Check, Summary
from drystep.validation.memtracker import Comparison
from drystep.validation.step_check import StepCheck, StepSummary


def checks_table(checks: Sequence[Check]) -> Table:
    """One row per run."""
    table = plain_table([
        "run", "quantity", "predicted MiB", "without conv. workspaces", "measured MiB", "error",
        "predicted OOM", "measured OOM", "capped runs right", "s",
    ], left=2)  # fmt: skip
    for check in checks:
        table.add_row(
            check.id,
            check.quantity,
            f"{check.predicted_bytes / MIB:,.0f}",
            f"{check.lean_bytes / MIB:,.0f}",
            f"{check.measured_bytes / MIB:,.0f}",
            percent(check.error_percent, sign="+"),
            "yes" if check.predicted_oom else "no",
            ABSENT if check.measured_oom is None else "yes" if check.measured_oom else "no",
            part(check.capped_right, check.capped_runs),
            f"{check.seconds:.2f}",
        )
    return table


def summary_table(summaries: Sequence[Summary]) -> Table:
    """One row per group."""
    table = plain_table([
        "group", "quantity", "runs", "compared", "median error", "p90 error", "largest error",
        "OOM verdicts right", "capped runs right", "median s",
    ], left=2)  # fmt: skip
    for summary in summaries:
        table.add_row(
            summary.group,
            summary.quantity,
            str(summary.runs),
            str(summary.compared),
            percent(summary.median_percent),
            percent(summary.p90_percent),
            percent(summary.max_percent),
            part(summary.verdicts_right, summary.verdicts),
            part(summary.capped_right, summary.capped_runs),
            f"{summary.median_seconds:.2f}",
        )
    return table


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """One row per case that MemTracker ran, too."""
    table = plain_table(
        ["case", "", "ours s", "MemTracker s", "times faster", "our error", "MemTracker's error"], left=2
    )
    for comparison in comparisons:
        faster = comparison.times_faster
        table.add_row(
            comparison.id,
            comparison.message,
            f"{comparison.our_seconds:.2f}",
            f"{comparison.tracker_seconds:.2f}",
            ABSENT if faster is None else f"{faster:.0f}",
            percent(comparison.our_error_percent, sign="+"),
            percent(comparison.tracker_error_percent, sign="+"),
        )
    return table


def steps_table(checks: Sequence[StepCheck]) -> Table:
    """One row per measured step."""
    table = plain_table(
        ["card", "step", "predicted ms", "measured ms", "error", "roofline ms", "roofline's error", "flag"], left=2
    )
    for check in checks:
        table.add_row(
            check.card,
            check.id,
            f"{check.predicted_ms:,.1f}",
            f"{check.measured_ms:,.1f}",
            percent(check.error_percent, sign="+"),
            f"{check.roofline_ms:,.1f}",
            percent(check.roofline_error_percent, sign="+"),
            check.flag,
        )
    return table


def step_summary_table(summaries: Sequence[StepSummary]) -> Table:
    """One row per card, and one of all."""
    table = plain_table(["card", "steps", "mean absolute error", "plain roofline's"], left=2)
    for summary in summaries:
        table.add_row(
            summary.card, str(summary.steps), percent(summary.error_percent), percent(summary.roofline_error_percent)
        )
    return table
