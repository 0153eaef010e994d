"""The answer of `drystep fit` as one page, which can be sent to somebody or stored beside a paper."""

from collections.abc import Mapping, Sequence
from pathlib import Path
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
from drystep.commands.answer.rendering import render
from drystep.commands.answer.time_tables import remarks
from drystep.errors import OutputError
from drystep.files.whole import require_folder, write_whole


def require_place(path: Path) -> None:
    """Raise `ValueError` for a place where no page can be written; its folder is created."""
    if path.is_dir():
        raise ValueError(f"--html {path} is a folder: name a file")
    try:
        require_folder(path.parent)
    except OSError as error:
        raise ValueError(f"cannot write --html {path}: {error.strerror or error}") from error


def write_page(path: Path, heading: Mapping[str, Any], rows: Sequence[Row], labels: Mapping[str, str]) -> None:
    """Write the answer; `heading["title"]` says what was judged, and `labels` has the names of cards in tables.

    Raises `OutputError`.
    """
    content = page(heading, rows, labels)
    try:
        write_whole(path, content)
    except OSError as error:
        raise OutputError(f"cannot write --html {path}: {error.strerror or error}") from error


def page(heading: Mapping[str, Any], rows: Sequence[Row], labels: Mapping[str, str]) -> str:
    """The text of the page."""
    peak = rows[0]["uncapped"]
    return render(
        "answer.html",
        title=heading["title"],
        columns=COLUMNS,
        cards=[(row["verdict"], cells(row, labels[row["gpu"]])) for row in rows],
        sentences=[each for each in (PROVENANCE, coverage_line(rows)) if each],
        peak=peak_title(peak),
        parts_of_peak=[(name, mib, share.removesuffix(" %"), share) for name, mib, share in peak_parts(peak)],
        choice=by_choice(peak),
        advice=[
            (advice_title(labels[row["gpu"]]), [advice_cells(one) for one in row["advice"]])
            for row in rows
            if row["advice"]
        ],
        advice_columns=ADVICE_COLUMNS,
        remarks=list(dict.fromkeys(remarks(rows, labels))),
        assumed=[read["text"] for read in rows[0]["assumptions"] if read["kind"] == "assumed" and not read["note"]],
        warnings=rows[0]["warnings"],
    )
