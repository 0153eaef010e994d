"""Tables with more columns than a screen has room for: groups of columns, and which ones are shown at first."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.cells import MISSING
from reports.escaping import one_line
from reports.page.captions import Piece, pieces
from reports.tables import Table

SHOWN = 8
"""As many columns of a table are on screen at first."""
OURS = "ours"
PAPER = "paper"
SHARE = re.compile(r"vs Full|% of Full")
"""Headings of figures beside which the paper's own may stand."""
DEPENDENT = re.compile(r"(paper|diff|points|vs Full|% of Full|images/s|hours, paper)\b|% of Full")
"""Headings that say nothing without the column before them."""


@dataclass(frozen=True)
class Heading:
    """Of one column, on two levels."""

    group: str
    """"" where the column stands alone."""
    name: str
    is_first: bool
    """Whether a group, or a column that stands alone, begins here."""
    is_shown: bool
    """Whether it is on screen at first."""
    is_empty: bool
    """Whether no row has a figure in it."""
    leads: bool
    """Whether it is the first column with a figure of its group."""


@dataclass(frozen=True)
class WideTable:
    """A table as the page shows it."""

    name: str
    """Of its files, without the ending."""
    title: str
    caption: Sequence[Piece]
    headings: Sequence[Heading]
    rows: Sequence[Sequence[str]]

    @property
    def hidden(self) -> int:
        """How many columns are not on screen at first."""
        return sum(not heading.is_shown for heading in self.headings)


def wide_table(table: Table, name: str) -> WideTable:
    """A finished table, with its columns grouped."""
    rows = list(zip(*(cells for _, cells in table.columns), strict=True))
    empty = [number for number, (_, cells) in enumerate(table.columns) if set(cells) == {MISSING}]
    of_columns = headings([text for text, _ in table.columns], empty)
    return WideTable(name, table.title, pieces(table.caption), of_columns, rows)


def headings(texts: Sequence[str], empty: Collection[int] = ()) -> list[Heading]:
    """Two levels out of one: what repeats, or depends on another column, belongs to the last that does neither.

    `empty` are the numbers of columns without a figure, which make way for others on screen.
    """
    starts = _starts(texts)
    first = [number for number, start in enumerate(starts) if start == number]
    # How many columns with a figure stand before each in its group.
    ranks = [sum(before not in empty for before in range(start, number)) for number, start in enumerate(starts)]
    order = sorted(range(len(texts)), key=lambda number: (number in empty, ranks[number], number))
    shown = set(order[:SHOWN])
    grouped = {start for number, start in enumerate(starts) if start != number}
    found = []
    for number, (text, start) in enumerate(zip(texts, starts, strict=True)):
        group = texts[start] if start in grouped else ""
        is_share = number > 0 and SHARE.match(texts[number - 1]) is not None
        name = (
            (PAPER if PAPER in text else OURS)
            if start == number and group
            else f"{texts[number - 1]}, {text}"
            if text == PAPER and is_share
            else text
        )
        is_empty = number in empty
        leads = not is_empty and ranks[number] == 0
        found.append(Heading(group, name, number in first, number in shown, is_empty, leads))
    return found


def _starts(texts: Sequence[str]) -> list[int]:
    """Number of the column that opens the group of each column."""
    counts = Counter(texts)
    starts: list[int] = []
    for number, text in enumerate(texts):
        belongs = number > 1 and (counts[text] > 1 or DEPENDENT.match(text) is not None)
        starts.append(starts[-1] if belongs else number)
    return starts


def flat_frame(table: Table) -> pd.DataFrame:
    """The whole table on one level, no heading twice: what files hold."""
    found: list[str] = []
    for heading in headings([one_line(text) for text, _ in table.columns]):
        text = heading.name if not heading.group else heading.group
        text = text if heading.is_first else f"{text}: {heading.name}"
        found.append(_new(text, found))
    columns = {name: [one_line(cell) for cell in cells] for name, (_, cells) in zip(found, table.columns, strict=True)}
    return pd.DataFrame(columns, dtype=object)


def _new(text: str, before: Sequence[str]) -> str:
    number, name = 1, text
    while name in before:
        number += 1
        name = f"{text} ({number})"
    return name
