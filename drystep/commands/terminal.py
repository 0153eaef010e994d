"""What commands print: messages on stderr, tables and results on stdout.

Names, labels and messages come from files of others. Nothing in them is markup, and none of their characters reaches
the terminal that would steer it.
"""

import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.status import Status
from rich.table import Table
from rich.text import Text

from drystep.units import ABSENT, MIB
from drystep.visible_text import one_line, visible

PIPE_WIDTH = 200
"""Columns of a table that no terminal bounds."""

UNBOUNDED_WIDTH = 10_000
"""Columns that no table needs."""
NARROW_GAP = (0, 1, 0, 0)
"""One space at the right of each cell."""


class PlainStatus(Status):
    """A spinner beside a plain text."""

    def __init__(self, status: RenderableType, **options: Any) -> None:
        super().__init__(_line(status), **options)

    def update(self, status: RenderableType | None = None, **options: Any) -> None:
        """Change the text."""
        super().update(None if status is None else _line(status), **options)


class PlainTable(Table):
    """A table whose strings are plain text, one line in each cell."""

    def add_column(self, header: RenderableType = "", footer: RenderableType = "", **options: Any) -> None:
        """Add a column with a plain heading."""
        super().add_column(_line(header), _line(footer), **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row of plain cells."""
        super().add_row(*(None if cell is None else _line(cell) for cell in cells), **options)


class PlainConsole(Console):
    """A console that takes every string for plain text: neither markup nor emoji codes nor control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a string visible; rich calls this for each that is printed."""
        return super().render_str(visible(text), **options)

    def status(self, status: RenderableType, **options: Any) -> Status:
        """Show a spinner beside a plain text until the block ends."""
        return PlainStatus(status, console=self, **options)


stdout = PlainConsole(width=None if sys.stdout.isatty() else PIPE_WIDTH)
stderr = PlainConsole(stderr=True, soft_wrap=True)


def say(message: str) -> None:
    """Print a message on stderr."""
    stderr.print(message)


def print_paragraph(text: str, indent: int = 0) -> None:
    """Print a text on stdout, wrapped between words to the terminal's width; all lines but the first are indented more.

    A word that is longer than a line stays whole, so that it can be copied.
    """
    first, others = " " * indent, " " * (indent + 2)
    wrapped = textwrap.fill(
        one_line(text), stdout.width, initial_indent=first, subsequent_indent=others,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    stdout.print(wrapped, soft_wrap=True)


def plain_table(columns: Sequence[str], left: int = 1) -> Table:
    """An empty table without lines; the first `left` columns are aligned to the left, the others to the right."""
    table = PlainTable(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left else "right")
    return table


def print_table(table: Table) -> None:
    """Print a table on stdout, with narrow gaps where it would be too wide, so that fewer cells take two lines."""
    unbounded = stdout.options.update(max_width=UNBOUNDED_WIDTH)
    if stdout.measure(table, options=unbounded).maximum > stdout.width:
        table.padding = NARROW_GAP
    stdout.print(table)


def mib_cell(size_bytes: int | None, digits: int = 0) -> str:
    """Mebibytes for a table whose heading has the unit."""
    return ABSENT if size_bytes is None else f"{size_bytes / MIB:,.{digits}f}"


def _line(content: RenderableType) -> RenderableType:
    return Text(one_line(content)) if isinstance(content, str) else content
