"""The answer of `drystep fit` as Markdown, for an issue, a pull request or a README."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drystep.commands.answer.parts import (
    ADVICE_COLUMNS,
    COLUMNS,
    PROVENANCE,
    Row,
    advice_cells,
    advice_title,
    by_choice,
    cells,
    coverage_line,
    peak_parts,
    peak_title,
)
from drystep.visible_text import one_line

ACTIVE = re.compile(r"[\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_])|(?<=:)/|(?<=www)\.", re.IGNORECASE)
"""What means something inside a line of Markdown; addresses become links by themselves."""


def markdown(heading: Mapping[str, Any], rows: Sequence[Row], labels: Mapping[str, str]) -> str:
    """The answer; `heading["title"]` says what was judged, and `labels` has the names of cards as tables show them."""
    return "\n".join(_lines(heading, rows, labels))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> Iterator[str]:
    """Lines of a table of plain texts; the first `left` columns are aligned to the left, the others to the right."""
    yield _row(columns)
    yield _row([":--"] * left + ["--:"] * (len(columns) - left), as_it_is=True)
    yield from map(_row, rows)


def escaped(text: str) -> str:
    """Any text, as it would stand in the middle of a line."""
    return ACTIVE.sub(r"\\\g<0>", one_line(text))


def _lines(heading: Mapping[str, Any], rows: Sequence[Row], labels: Mapping[str, str]) -> Iterator[str]:
    yield f"**{escaped(heading['title'])}**"
    yield ""
    yield from table(COLUMNS, [cells(row, labels[row["gpu"]]) for row in rows], left=2)
    for sentence in (PROVENANCE, coverage_line(rows)):
        if sentence:
            yield from ("", sentence)
    peak = rows[0]["uncapped"]
    yield from ("", f"{peak_title(peak)} (simulated).", "")
    yield from table(("", "MiB", "share"), list(peak_parts(peak)))
    if by_choice(peak):
        yield from ("", f"{by_choice(peak)}.")
    for row in rows:
        if row["advice"]:
            yield from ("", f"{escaped(advice_title(labels[row['gpu']]))}:", "")
            yield from table(ADVICE_COLUMNS, [advice_cells(one) for one in row["advice"]])
    for warning in rows[0]["warnings"]:
        yield from ("", f"Warning: {escaped(warning)}")


def _row(texts: Sequence[str], as_it_is: bool = False) -> str:
    return "| " + " | ".join(texts if as_it_is else map(escaped, texts)) + " |"
