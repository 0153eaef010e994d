"""Where the memory of a step goes: lines and tables for the terminal, and files in a folder."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from drystep.commands.answer.peak_tables import peak_lines, tables
from drystep.commands.terminal import print_paragraph, print_table, stdout
from drystep.errors import OutputError
from drystep.files.whole import require_folder, written_whole

DEFAULT_TOP = 14
TIMELINE = "timeline.json"
VISUALIZER = "https://pytorch.org/memory_viz"
Under = Annotated[str | None, typer.Option(help="GPU class whose memory bounds the step; default: no bound.")]
Depth = Annotated[
    int | None, typer.Option(help="Components of module paths to keep; default: more where more memory is.")
]
Top = Annotated[int, typer.Option(help="Rows of each table.")]


def require_counts(depth: int | None, top: int) -> None:
    """Raise `ValueError` for a depth or a number of rows below 1."""
    for name, value in (("--depth", depth), ("--top", top)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def require_out(folder: Path) -> None:
    """Create the folder of --out. Raises `ValueError` for one that cannot be written to."""
    try:
        require_folder(folder)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"--out {folder} is a file: name a folder") from error
    except OSError as error:
        raise ValueError(f"cannot write to --out {folder}: {error.strerror or error}") from error


def print_explained(title: str, explained: Mapping[str, Any], top: int) -> None:
    """Print what a step is, its peak, and what is alive there."""
    print_paragraph(f"{title}; simulated")
    for line in peak_lines(explained):
        print_paragraph(line)
    for table in tables(explained, top):
        stdout.print()
        print_table(table)


def write_explained(folder: Path, explained: Mapping[str, Any], write_others: Callable[[Path], None]) -> None:
    """Write `TIMELINE`, and what `write_others` writes into the folder that it gets; all of them or none.

    Raises `OutputError`.
    """
    with _whole(folder) as unfinished:
        (unfinished / TIMELINE).write_text(json.dumps(explained) + "\n")
        write_others(unfinished)


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    try:
        with written_whole(folder) as unfinished:
            yield unfinished
    except OSError as error:
        raise OutputError(f"cannot write to --out {folder}: {error.strerror or error}") from error
