"""Every table of the page as CSV, for spreadsheets and programs, and as LaTeX."""

import re
from collections.abc import Iterable
from pathlib import Path

from reports.cells import MISSING
from reports.page.wide_tables import flat_frame
from reports.tables import Table

FORMULA = re.compile(r"[=@]|[+-](?![\d.]+$)")
"""What a spreadsheet would compute instead of showing it; a signed number is none."""
THOUSANDS = re.compile(r"[+-]?\d{1,3}( \d{3})+(\.\d+)?")
LONGEST_NAME = 60
"""Characters of a file's name."""


def named(tables: Iterable[Table]) -> list[tuple[str, Table]]:
    """A name for each table's files: `table-3` for "Table 3. Training time", otherwise out of the whole title."""
    found: dict[str, Table] = {}
    for table in tables:
        title = re.sub(r"^(Table \d+)\..*", r"\1", table.title, flags=re.DOTALL).lower()
        slug = re.sub(r"[^a-z0-9]+", "-", title.removeprefix("table ")).strip("-")[:LONGEST_NAME].rstrip("-")
        name = f"table-{slug}"
        while name in found:
            name = f"{name}-again"
        found[name] = table
    return list(found.items())


def write_tables(tables: Iterable[tuple[str, Table]], folder: Path) -> None:
    """Write `NAME.csv` and `NAME.tex` for each pair of a name and a table. Raises `OSError`."""
    for name, table in tables:
        frame = flat_frame(table)
        figures = {column: frame[column].map(_readable) for column in frame.columns[1:]}
        cells = frame.assign(**figures).map(_inert).rename(columns=_inert)
        (folder / f"{name}.csv").write_text(cells.to_csv(index=False), encoding="utf-8", newline="")
        alignment = "l" + "r" * (len(frame.columns) - 1)
        latex = frame.to_latex(index=False, escape=True, column_format=alignment)
        (folder / f"{name}.tex").write_text(latex, encoding="utf-8")


def _readable(cell: str) -> str:
    """A figure as programs read it: no spaces between thousands, and nothing where there is none."""
    if cell == MISSING:
        return ""
    return cell.replace(" ", "") if THOUSANDS.fullmatch(cell) else cell


def _inert(text: str) -> str:
    return f"'{text}" if FORMULA.match(text) else text
