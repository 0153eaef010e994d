"""What a step reads of values, as `drystep fit` prints it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from drystep.commands.terminal import mib_cell, stdout

Row = Mapping[str, Any]


def print_assumptions(row: Row, with_all: bool) -> None:
    """Print how many reads were assumed and what hangs on them; `with_all` lists every read with its names."""
    reads = row["assumptions"]
    assumed = [read for read in reads if read["kind"] == "assumed" and not read["note"]]
    if with_all:
        for read in reads:
            stdout.print(_line(read), soft_wrap=True)
    if assumed and not with_all:
        count = f"{len(assumed)} read" + ("s" if len(assumed) > 1 else "")
        stdout.print(f"assumed: {count}, see --assumptions", soft_wrap=True)
    if row["assumed_rows"]:
        _print_rows(row["assumed_rows"], with_all)


def _line(read: Row) -> str:
    names = ", ".join(read["names"])
    return f"{read['text']}" + (f"; to state it: --oracle NAME=..., NAME one of {names}" if names else "")


def _print_rows(rows: Row, with_hinges: bool) -> None:
    """Print the peak without and with all assumed rows, and the questions that decide it."""
    least = (
        "cannot be simulated without them" if rows["least_bytes"] is None else f"{mib_cell(rows['least_bytes'])} MiB"
    )
    stdout.print(
        f"Allocated with all the rows that were assumed: {mib_cell(rows['most_bytes'])} MiB; with none: {least}.",
        soft_wrap=True,
    )
    for hinge in rows["hinges"]:
        name = next(iter(hinge["names"]), "rows")
        stdout.print(
            f"  without those of {name} alone: {mib_cell(hinge['peak_without_bytes'])} MiB; state them with "
            f"--oracle {name}=N of {hinge['most_rows']}",
            soft_wrap=True,
        )


def print_shares(shares: Sequence[Sequence[Any]], as_json: bool) -> None:
    """Print how many rows a real run selected, as statements for a simulation."""
    if as_json:
        for name, operator, rows, most in shares:
            print(json.dumps({"name": name, "operator": operator, "rows": rows, "most_rows": most}))
        return
    if not shares:
        stdout.print("the step asks for no rows in a real run: there is nothing to state")
    for name, operator, rows, most in shares:
        percent = f"{100 * rows / most:.3g}"
        stdout.print(f"--oracle {name}={percent}%   # measured: {rows} of {most} rows of {operator}", soft_wrap=True)
