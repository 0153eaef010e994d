"""How far to trust the simulation on other people's steps: what it says of memory that they published."""

from collections.abc import Sequence

import pandas as pd

from reports.cells import MISSING, Column, number
from reports.records import Record
from reports.tables import Table

KIND = "drystep report check"
"""What the lines of these checks are marked with."""
ALL = "all rows"
RIVALS = {"accelerate_error_percent": "accelerate estimate-memory", "memtracker_error_percent": "PyTorch's MemTracker"}
"""Error of another estimator in a check -> its name."""


def field_reports_table(checks: Sequence[Record]) -> Table | None:
    """One row per family of rebuilt steps, as `validate --out` stores their checks; None if there are none."""
    rows = pd.DataFrame([check for check in checks if check.get("kind") == KIND])
    if rows.empty:
        return None
    families = [(str(family), of_family) for family, of_family in rows.groupby("family", sort=False)]
    groups = [*families, (ALL, rows)] if len(families) > 1 else families
    parts = [part for _, part in groups]
    return Table(
        "How far to trust it on other people's steps",
        "**Simulated** beside **published**: peaks and verdicts that other people measured on their GPUs, of steps "
        "that were rebuilt from their public configurations and simulated under the rules of their PyTorch, wrapper "
        "and card. Errors are absolute. *To the last digit*: the simulated figure, rounded as theirs was, is theirs. "
        "Where cuDNN chose algorithms by trial (cudnn.benchmark), a peak counts as right inside its interval, and has "
        "no error. *Undecided*: the choice of algorithms decides whether the step fits. Other estimators stand beside "
        "it with the median error on the rows to which they apply; `accelerate estimate-memory` knows the parameters "
        "alone.",
        [
            ("Steps", [family for family, _ in groups]),
            ("rows", [str(len(part)) for part in parts]),
            ("median error %", number([_errors(part).median() for part in parts], 2)),
            ("largest error %", number([_errors(part).max() for part in parts], 2)),
            ("to the last digit", [_share(_compared(part)["within_rounding"]) for part in parts]),
            ("in the interval", [_share(part[part["by_trial"]]["within_interval"]) for part in parts]),
            ("verdicts right", [_share(part["judged"], "right") for part in parts]),
            ("undecided", [_share(part["judged"], "undecided") for part in parts]),
            *_rivals(rows, parts),
        ],
    )


def _rivals(rows: pd.DataFrame, parts: Sequence[pd.DataFrame]) -> list[Column]:
    """Median errors of the estimators that said something of some row."""
    return [
        (f"{name}, median error %", number([_errors(part, column).median() for part in parts], 2))
        for column, name in RIVALS.items()
        if _errors(rows, column).notna().any()
    ]


def _errors(rows: pd.DataFrame, column: str = "error_percent") -> pd.Series:
    return pd.to_numeric(_compared(rows)[column]).abs()


def _compared(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with an error that counts."""
    return rows[~rows["by_trial"] & pd.to_numeric(rows["error_percent"]).notna()]


def _share(values: pd.Series, wanted: object = True) -> str:
    """How many of the known values are the wanted one."""
    known = values.dropna()
    return f"{int((known == wanted).sum())} of {len(known)}" if len(known) else MISSING
