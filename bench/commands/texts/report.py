"""The report in a terminal: the answer, which method fits which card, and tables cut to the width of the screen."""

import re
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as TextTable
from rich.text import Text

from drystep.commands.terminal import plain_table
from drystep.visible_text import one_line
from reports.cells import OOM, VERDICTS
from reports.page.answers import answers
from reports.page.outcomes import Setting
from reports.page.verdicts import Cell, matrix
from reports.page.wide_tables import Heading, WideTable, wide_table
from reports.tables import Table

MAIN = re.compile(r"Table [1-4]\. |Levers|Our trainings")
"""Titles of the tables that are printed; the document has all."""
STYLES = {"fits": "green", "retries": "yellow", "oom": "red", "unsure": "magenta", "none": "dim"}
"""Look of a cell -> its colour; the symbol in it says the same."""
CELL_STYLES = {VERDICTS["fits"]: "green", VERDICTS["fits_with_retries"]: "yellow", OOM: "red"}
"""Whole text of a cell -> its colour."""
GAP = 2
"""Columns of the screen between two columns of a table."""


def print_report(settings: Sequence[Setting], tables: Sequence[Table], console: Console) -> None:
    """Print the answer for the first setting, and the main tables with as many columns as the console is wide."""
    if settings:
        _print_answer(settings[0], console)
    for table in tables:
        if MAIN.match(table.title):
            _print_table(wide_table(table, ""), console)


def _print_answer(setting: Setting, console: Console) -> None:
    console.print(Text(one_line(setting.title), "bold"))
    console.print(Text(one_line(f"Memory is {setting.memory_provenance}. {' '.join(answers(setting))}")))
    if setting.cards:
        console.print()
        console.print(_matrix(setting))
        console.print(
            Text("✓ fits, ≈ fits after retries, ✕ out of memory, with the GiB that are left or missing", "dim")
        )
    console.print()


def _matrix(setting: Setting) -> TextTable:
    table = plain_table(["method", "GiB", *(card for card, _ in setting.cards)])
    for row in matrix(setting):
        table.add_row(row.outcome.label, row.needs, *map(_verdict, row.cells))
    return table


def _verdict(cell: Cell) -> Text:
    return Text(f"{cell.figure} {cell.symbol}".lstrip(), STYLES[cell.look])


def _print_table(table: WideTable, console: Console) -> None:
    shown = _that_fit(table, console.width)
    console.print(Text(one_line(table.title), "bold"))
    printed = plain_table([])
    for number in shown:
        printed.add_column(
            _heading(table.headings[number]), justify="right" if number else "left", width=_width(table, number)
        )
    for row in table.rows:
        printed.add_row(*(_cell(row[number]) for number in shown))
    console.print(printed)
    left_out = len(table.headings) - len(shown)
    more = f"; {left_out} more column{'s are' if left_out > 1 else ' is'} in the report" if left_out else ""
    console.print(Text(f"{_origins(table)}{more}", "dim"))
    console.print()


def _origins(table: WideTable) -> str:
    """How the figures were obtained: what the caption says in bold."""
    said = dict.fromkeys(one_line(piece.text).lower() for piece in table.caption if piece.tag == "strong")
    return f"Figures are {', '.join(said)}"


def _cell(text: str) -> Text:
    return Text(one_line(text), CELL_STYLES.get(text, ""))


def _that_fit(table: WideTable, width: int) -> list[int]:
    """Numbers of the columns that have room: first those that lead a group, then the others, each from the left.

    Columns without a figure come last.
    """
    numbers = range(len(table.headings))
    found: list[int] = []
    for number in sorted(numbers, key=lambda number: _rank(table.headings[number], number)):
        needed = _width(table, number) + (GAP if found else 0)
        if needed <= width or not found:
            found.append(number)
            width -= needed
    return sorted(found)


def _rank(heading: Heading, number: int) -> tuple[bool, bool, int]:
    return heading.is_empty, not heading.leads, number


def _width(table: WideTable, number: int) -> int:
    """What the longest cell needs, and the longest word of the heading."""
    words = _heading(table.headings[number]).split()
    return max(len(text) for text in (*words, *(one_line(row[number]) for row in table.rows)))


def _heading(heading: Heading) -> str:
    """The first column of a group has the group's name, a further one its own, too."""
    if heading.is_first:
        return heading.group or heading.name
    return f"{heading.group}: {heading.name}"
