"""Memory that other people published of their training steps: rows of a table, beside steps that were rebuilt."""

import ast
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drystep.bounds import shown
from drystep.cuda.rules import PRECISIONS, Rules
from drystep.errors import choose

UNITS = {"MiB": 1 << 20, "GiB": 1 << 30, "GB": 10**9, "MB": 10**6}
QUANTITIES = ("peak_allocated", "peak_reserved", "allocated_after_step", "verdict")
VERDICTS = ("fits", "oom")
COLUMNS = ("id", "torch", "ddp", "cudnn_benchmark", "precision", "rebuild", "args", "quantity", "measured", "unit")
YES_NO = {"yes": True, "no": False}
MOST_DIGITS = 9
"""Before and after the point of a published figure."""


@dataclass(frozen=True)
class Report:
    """One published figure."""

    id: str
    card: str
    """As published; "" where the table does not say."""
    rules: Rules
    precision: str
    rebuild: str
    """Name of the function that returns `build_step`."""
    args: tuple[object, ...]
    """Its arguments."""
    quantity: str
    measured_bytes: int | None
    """None for a verdict."""
    rounding_bytes: int
    """Half of the last published digit."""
    verdict: str = ""
    """"fits" or "oom", for the quantity "verdict"."""


def read_reports(path: Path) -> list[Report]:
    """Read a table with `COLUMNS` and, where it has one, `card`. Raises `ValueError` that names the bad row."""
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise ValueError(f"cannot read reports from {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a table in CSV: {error}") from error
    missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise ValueError(f"{path} lacks the columns {', '.join(missing)}" if rows else f"{path} has no rows")
    reports = []
    for number, row in enumerate(rows, start=2):
        try:
            reports.append(_report(row))
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from error
    return reports


def _report(row: Mapping[str, str]) -> Report:
    for column in COLUMNS:
        if not row.get(column):
            raise ValueError(f"{column} is empty")
    quantity = choose("quantity", row["quantity"], QUANTITIES)
    is_verdict = quantity == "verdict"
    measured, rounding = (None, 0) if is_verdict else _bytes(row["measured"], row["unit"])
    return Report(
        id=row["id"],
        card=row.get("card") or "",
        rules=Rules(
            torch=row["torch"],
            ddp=YES_NO[choose("ddp", row["ddp"], YES_NO)],
            cudnn_benchmark=YES_NO[choose("cudnn_benchmark", row["cudnn_benchmark"], YES_NO)],
        ),
        precision=choose("precision", row["precision"], PRECISIONS),
        rebuild=row["rebuild"],
        args=_arguments(row["args"]),
        quantity=quantity,
        measured_bytes=measured,
        rounding_bytes=rounding,
        verdict=choose("verdict", row["measured"], VERDICTS) if is_verdict else "",
    )


def _bytes(text: str, unit: str) -> tuple[int, int]:
    """A published size, and half of its last digit."""
    size = UNITS[choose("unit", unit, UNITS)]
    whole, _, fraction = text.partition(".")
    if not whole.isdecimal() or (fraction and not fraction.isdecimal()) or max(len(whole), len(fraction)) > MOST_DIGITS:
        raise ValueError(f"measured must be a number such as 11818 or 4.23, got {shown(text)}")
    return round(float(text) * size), round(size / 2 / 10 ** len(fraction))


def _arguments(text: str) -> tuple[object, ...]:
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"args must be a Python tuple such as ('resnet50', 32), got {shown(text)}") from error
    if not isinstance(values, tuple):
        raise ValueError(f"args must be a Python tuple such as ('resnet50', 32), got {shown(text)}")
    return values
