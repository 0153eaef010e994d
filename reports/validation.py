"""How far to trust the simulation: what it predicts beside what others measured or published."""

from collections.abc import Sequence

import pandas as pd

from reports.cells import MISSING, number, signed
from reports.escaping import markdown_cell
from reports.field_reports import KIND, field_reports_table
from reports.records import Record
from reports.tables import Table
from reports.units import MIB


def validation_tables(checks: Sequence[Record]) -> list[Table | None]:
    """The tables of checks of memory, as `python -m bench validate --out` stores them; None where there are none."""
    runs = [check for check in checks if check.get("kind") != KIND]
    return [validation_table(runs), field_reports_table(checks)]


def validation_table(checks: Sequence[Record]) -> Table | None:
    """One row per measured run."""
    if not checks:
        return None
    frame = pd.DataFrame(list(checks))
    errors = pd.to_numeric(frame["error_percent"])
    groups = ", ".join(
        f"{markdown_cell(group)} {number([rows.abs().median()], 2)[0]} % ({rows.notna().sum()} runs)"
        for group, rows in errors.groupby(frame["group"])
    )
    return Table(
        "How far to trust it",
        "**Simulated** beside **measured** (GPU training runs of xMem, reserved memory, with the workspaces of "
        "convolutions) and **published** (mmsegmentation's UPerNet and mmdetection's RetinaNet, allocated memory). A "
        f"run that was out of memory has no error. Median absolute error: {groups}. Out of memory or not: "
        f"{_right(frame['right_about_oom'])} right on the whole device, {frame['capped_right'].sum()} of "
        f"{frame['capped_runs'].sum()} under smaller limits.",
        [
            ("Run", list(frame["id"])),
            ("quantity", list(frame["quantity"])),
            ("simulated MiB", number(frame["predicted_bytes"] / MIB)),
            ("measured or published MiB", number(frame["measured_bytes"] / MIB)),
            ("error %", signed(errors, 2)),
            ("OOM, simulated", [_yes(value) for value in frame["predicted_oom"]]),
            ("OOM, measured", [_yes(value) for value in frame["measured_oom"]]),
        ],
    )


def _right(verdicts: pd.Series) -> str:
    known = verdicts.dropna()
    return f"{int(known.sum())} of {len(known)}"


def _yes(value: object) -> str:
    return MISSING if value is None or pd.isna(value) else "yes" if value else "no"
