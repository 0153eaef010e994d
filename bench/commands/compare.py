"""`python -m bench compare`: two result files side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drystep.commands.exit_status import FAILED, OK
from drystep.commands.terminal import say, stdout
from drystep.units import parse_percent

if TYPE_CHECKING:
    from bench.results.store import StoredResults


def compare(
    before: Annotated[Path, typer.Argument(metavar="A")],
    after: Annotated[Path, typer.Argument(metavar="B")],
    memory_tolerance: Annotated[str, typer.Option(help="Growth of memory that is accepted.")] = "1%",
    time_tolerance: Annotated[str, typer.Option(help="Growth of times that is accepted.")] = "25%",
    tolerances: Annotated[
        list[str], typer.Option("--tolerance", metavar="METRIC=PERCENT", help="For one metric. Repeatable.")
    ] = [],
    time_relative_to: Annotated[
        str | None,
        typer.Option(metavar="METHOD", help="Compare times as ratios to this method's in the same file, such as full."),
    ] = None,
    require_all: Annotated[
        bool, typer.Option(help="A case that B lacks is worse, as a figure always is; else it is only named.")
    ] = False,
    only_changed: Annotated[bool, typer.Option(help="Leave out what stayed within its tolerance.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="A table for a pull request.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, one per figure.")] = False,
) -> int:
    """Compare two result files: exit status 0 nothing worse, 1 something worse by more than its tolerance.

    A figure, or a GPU class's verdict, that A has and B lacks is worse, and so is one that is not finite. One that only
    B has is new. In JSON lines, the side that lacks it is null.
    """
    from bench.commands.texts import comparison as text
    from bench.results import compare as comparison
    from bench.results.compare_metrics import Tolerance

    if as_markdown and as_json:
        raise ValueError("choose one of --markdown and --json")
    by_metric = parse_tolerances(tolerances)
    tolerance = Tolerance(parse_percent(memory_tolerance), parse_percent(time_tolerance), by_metric)
    files = [_read(before), _read(after)]
    found = comparison.compare(files[0].results, files[1].results, tolerance, time_relative_to, require_all)
    if as_json:
        print(*text.json_lines(found), sep="\n")
    elif as_markdown:
        print(*text.markdown(found, only_changed), sep="\n")
    else:
        for note in found.notes:
            stdout.print(note, soft_wrap=True)
        shown = [change for change in found.changes if change.outcome != "same" or not only_changed]
        if shown:
            stdout.print(text.table(shown))
        stdout.print(text.summary(found.changes))
    unreadable = any(file.problems for file in files)
    return FAILED if found.worse or unreadable else OK


def _read(path: Path) -> "StoredResults":
    """Read a results file and name its bad lines. Raises `ValueError` for a file without any result."""
    from bench.results.store import read_results

    stored = read_results(path)
    if not stored.results:
        why = f"; {stored.problems[0]}" if stored.problems else ""
        raise ValueError(f"{path} holds no results: name a file that `run --out` wrote{why}")
    for problem in stored.problems:
        say(problem)
    return stored


def parse_tolerances(texts: list[str]) -> dict[str, float]:
    """Turn `allocated=1%` and `step=25%` into percent by metric. Raises `ValueError` for anything else."""
    percents = {}
    for text in texts:
        name, equals, percent = text.partition("=")
        if not (name and equals):
            raise ValueError(f"tolerance {text!r} is not METRIC=PERCENT, such as allocated=1% or step=25%")
        percents[name] = parse_percent(percent)
    return percents
