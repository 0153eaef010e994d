"""`python -m bench compare`: two result files side by side."""

from pathlib import Path
from typing import Annotated

import typer

from bench import compare as comparison
from bench import display
from bench.commands import measuring
from bench.commands.outcome import FAILED, OK
from bench.options import parse_percent


def compare(
    before: Annotated[Path, typer.Argument(metavar="A")],
    after: Annotated[Path, typer.Argument(metavar="B")],
    memory_tolerance: Annotated[str, typer.Option(help="Growth of memory that is accepted.")] = "1%",
    time_tolerance: Annotated[str, typer.Option(help="Growth of step time that is accepted.")] = "25%",
) -> int:
    """Compare two result files; exit 1 when memory or time got worse than the tolerance."""
    tolerance = comparison.Tolerance(parse_percent(memory_tolerance), parse_percent(time_tolerance))
    files = (measuring.read(before), measuring.read(after))
    changes = comparison.compare(files[0].results, files[1].results, tolerance)
    display.stdout.print(display.changes_table(changes))
    worse = any(change.worse for change in changes)
    return FAILED if worse or files[0].problems or files[1].problems else OK
