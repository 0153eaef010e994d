"""`python -m bench compare`: two result files side by side."""

from pathlib import Path
from typing import Annotated

import typer

from bench import compare as comparison
from bench import compare_text, display
from bench.commands.outcome import FAILED, OK
from bench.compare_metrics import Tolerance
from bench.options import parse_tolerances
from bench.percent import parse_percent
from bench.results import StoredResults, read_results


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
    require_all: Annotated[bool, typer.Option(help="A case that B lacks is worse; else it is only named.")] = False,
    only_changed: Annotated[bool, typer.Option(help="Leave out what stayed within its tolerance.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="A table for a pull request.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, one per figure.")] = False,
) -> int:
    """Compare two result files: exit status 0 nothing worse, 1 something worse by more than its tolerance."""
    if as_markdown and as_json:
        raise ValueError("choose one of --markdown and --json")
    by_metric = parse_tolerances(tolerances)
    tolerance = Tolerance(parse_percent(memory_tolerance), parse_percent(time_tolerance), by_metric)
    files = [_read(before), _read(after)]
    found = comparison.compare(files[0].results, files[1].results, tolerance, time_relative_to, require_all)
    if as_json:
        print(*compare_text.json_lines(found), sep="\n")
    elif as_markdown:
        print(*compare_text.markdown(found, only_changed), sep="\n")
    else:
        for note in found.notes:
            display.stdout.print(note, markup=False, soft_wrap=True)
        shown = [change for change in found.changes if change.outcome != "same" or not only_changed]
        if shown:
            display.stdout.print(compare_text.table(shown))
        display.stdout.print(compare_text.summary(found.changes))
    unreadable = any(file.problems for file in files)
    return FAILED if found.worse or unreadable else OK


def _read(path: Path) -> StoredResults:
    """Read a results file and name its bad lines. Raises `ValueError` for a file without any result."""
    stored = read_results(path)
    if not stored.results:
        why = f"; {stored.problems[0]}" if stored.problems else ""
        raise ValueError(f"{path} holds no results: name a file that `run --out` wrote{why}")
    for problem in stored.problems:
        display.say(problem)
    return stored
