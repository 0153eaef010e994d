"""Published figures of rebuilt steps: which functions rebuild them, their checks, and what is printed of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drystep.commands.terminal import say, stdout
from drystep.commands.validation.progress import told
from drystep.commands.validation.report_tables import report_summary_table, reports_table, rival_table
from drystep.errors import choose
from drystep.validation.field_reports.check import ReportCheck, check_report
from drystep.validation.field_reports.rows import Report
from drystep.validation.field_reports.summaries import summarise_reports, summarise_rivals
from drystep.validation.rebuilds.families import FAMILIES
from drystep.zoo.python_file import load_function

DERIVED = (
    "error_percent", "within_rounding", "within_interval", "judged", "accelerate_error_percent",
    "memtracker_error_percent",
)  # fmt: skip
"""Names of the properties of a check that its line has, too."""
Families = Mapping[str, Callable[..., Any]]


def families_of(reports: Sequence[Report], rebuilds: Path | None) -> Families:
    """The functions that the rows name, of a Python file or of drystep itself; the file's code runs here.

    Raises `ValueError` for a file that is missing or cannot be imported, and for a function that it lacks.
    """
    names = dict.fromkeys(report.rebuild for report in reports)
    if rebuilds is None:
        return {name: FAMILIES[choose("rebuilt step", name, FAMILIES)] for name in names}
    if not rebuilds.is_file():
        raise ValueError(f"cannot read the rebuilt steps from {rebuilds}: there is no such file")
    return {name: load_function(f"{rebuilds}:{name}") for name in names}


def check_reports(
    reports: Sequence[Report], families: Families, with_memtracker: bool = False, as_json: bool = False
) -> list[ReportCheck]:
    """The checks of all rows that can be simulated; says which cannot, and why."""
    checks = []
    for report in told(reports, lambda report: report.id):
        try:
            checks.append(check_report(report, families[report.rebuild], with_memtracker))
        except ValueError as error:
            say(f"{report.id} is not simulated: {error}")
            continue
        if as_json:  # at once, because a row may take a minute
            print(json.dumps({"report": report_record(checks[-1])}), flush=True)
    return checks


def show_reports(checks: Sequence[ReportCheck], as_json: bool) -> None:
    """Print the summaries, after the rows for people; as JSON, the rows were printed one by one."""
    summaries, rivals = summarise_reports(checks), summarise_rivals(checks)
    if as_json:
        for summary in summaries:
            print(json.dumps({"report_summary": asdict(summary)}))
        for rival in rivals:
            print(json.dumps({"rival_summary": asdict(rival)}))
        return
    stdout.print(reports_table(checks))
    for table in (report_summary_table(summaries), *([rival_table(rivals)] if rivals else [])):
        stdout.print()
        stdout.print(table)


def report_record(check: ReportCheck) -> dict[str, Any]:
    """A check as JSON has it."""
    return asdict(check) | {name: getattr(check, name) for name in DERIVED}
