"""What commands print: messages on stderr, tables and results on stdout."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from drystep.units import ABSENT, MIB

PIPE_WIDTH = 200
"""Columns of a table that no terminal bounds."""

stdout = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """Print one line on stderr, as it is."""
    stderr.print(message, markup=False)


def plain_table(columns: Sequence[str], left: int = 1) -> Table:
    """An empty table without lines; the first `left` columns are aligned to the left, the others to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left else "right")
    return table


def mib_cell(size_bytes: int | None, digits: int = 0) -> str:
    """Mebibytes for a table whose heading has the unit."""
    return ABSENT if size_bytes is None else f"{size_bytes / MIB:,.{digits}f}"
