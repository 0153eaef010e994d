"""What a step reads of values, as `drystep fit` prints it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from drystep.commands.terminal import mib_cell, print_paragraph, stdout
from drystep.errors import counted
from drystep.values.assumptions import NOWHERE

Row = Mapping[str, Any]
INDENT = 4
"""Columns by which what belongs to a line is indented below it."""


def print_assumptions(row: Row, with_all: bool) -> None:
    """Print how many reads were assumed and what hangs on them; `with_all` lists every read with its names."""
    reads = row["assumptions"]
    if with_all:
        _print_reads(reads)
    else:
        count = sum(map(_is_open, reads))
        if count:
            stdout.print(f"assumed: {counted(count, 'read')}, see --assumptions")
    if row["assumed_rows"]:
        _print_rows(row["assumed_rows"])


def _is_open(read: Row) -> bool:
    """Whether an answer was assumed, and does not follow from another one."""
    return read["kind"] == "assumed" and not read["note"]


def _print_reads(reads: Sequence[Row]) -> None:
    """Print the answers that could be stated, those that were, and in one line each those that are known."""
    known = [read for read in reads if read["kind"] == "known"]
    others = [read for read in reads if read["kind"] != "known"]
    if not reads:
        stdout.print("The step reads no value on the device.")
    for read in sorted(others, key=lambda read: (read["kind"] == "stated", not _is_open(read))):
        _print_read(read)
    if known:
        stdout.print("known:")
    for read in known:
        print_paragraph(f"{_short_place(read)}: {read['said']}", INDENT)


def _print_read(read: Row) -> None:
    print_paragraph(f"{read['kind']}: {read['said']}")
    print_paragraph(f"at {read['where'] or NOWHERE}", INDENT)
    if read["library"]:
        print_paragraph(f"in {read['library']}", INDENT)
    if read["names"]:
        first, *more = read["names"]
        or_under = f" (or under {', '.join(more)})" if more else ""
        print_paragraph(f"--oracle {first}=ANSWER{or_under}", INDENT)


def _short_place(read: Row) -> str:
    """File name and line that ask, if there are any."""
    return next(iter(read["names"]), read["where"] or NOWHERE)


def _print_rows(rows: Row) -> None:
    """Print the peak without and with all assumed rows, and the questions that decide it."""
    least_bytes, most_bytes = rows["least_bytes"], rows["most_bytes"]
    most = f"{mib_cell(most_bytes, 2)} MiB allocated with all the rows that were assumed"
    if least_bytes is None:
        print_paragraph(f"{most}; without any, the step cannot be simulated.")
    elif least_bytes == most_bytes:
        print_paragraph(f"{most}, and as much without any.")
    else:
        print_paragraph(f"{most}, and {mib_cell(least_bytes, 2)} MiB with as few as the step runs with.")
    for hinge in rows["hinges"]:
        name = _short_place(hinge)
        without = f"{mib_cell(hinge['peak_without_bytes'], 2)} MiB"
        print_paragraph(f"{without} without those of {name} alone, which are at most {hinge['most_rows']}", INDENT)


def print_shares(shares: Sequence[Sequence[Any]], as_json: bool) -> None:
    """Print how many rows a real run selected, as statements for a simulation."""
    if as_json:
        for name, operator, rows, most in shares:
            print(json.dumps({"name": name, "operator": operator, "rows": rows, "most_rows": most}))
        return
    if not shares:
        print_paragraph("In a real run, the step asks for no rows whose number depends on values.")
    for name, operator, rows, most in shares:
        percent = f"{100 * rows / most:.3g}"
        stdout.print(f"--oracle {name}={percent}%   # measured: {rows} of {most} rows of {operator}", soft_wrap=True)
