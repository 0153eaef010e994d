"""`python -m bench tables` and `report`: the paper's grids, and the report of what is stored."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bench import paper_grids, runner
from bench.commands import measuring
from bench.commands.measuring import Grid
from bench.commands.outcome import status_of
from bench.gpus import select_gpus
from bench.highway_grid import highway_grid
from bench.options import Rerun, Steps
from bench.results import Result
from bench.rivals_grid import rivals_grid
from bench.run_grid import run_grid
from bench.settings import DEFAULT_STEPS, Settings
from bench.validation.command import check_all, write_checks
from bench.validation.ground_truth import SAMPLE, read_runs
from reports.document import FILE_NAME, build_tables, write_report
from reports.records import frame_of

DEFAULT_FOLDER = Path("bench-results")
RESULTS_NAME, CHECKS_NAME = "results.jsonl", "validation.jsonl"


def tables(
    numbers: Annotated[list[int], typer.Option("--table", help="1, 2, 3 or 4; default: all. Repeatable.")] = [],
    out: Annotated[Path, typer.Option(help="Folder for results and report.")] = DEFAULT_FOLDER,
    steps: Steps = DEFAULT_STEPS,
    rerun: Rerun = False,
) -> int:
    """Run the grids of the paper's Tables 1-4, of E3VA's forms, rivals and runs; write the report."""
    beyond = [] if numbers else [*run_grid(), *paper_grids.under_paper_settings(), *highway_grid(), *rivals_grid()]
    numbers = numbers or list(paper_grids.TABLES)
    cases = runner.gathered([*beyond, *paper_grids.grid(numbers)])
    grid = Grid(cases, select_gpus(), Settings(steps), out / RESULTS_NAME)
    resumed = grid.resume(rerun)
    results = [*resumed.stored, *grid.measure(resumed.missing)]
    if beyond:
        write_checks(out / CHECKS_NAME, check_all(read_runs(SAMPLE))[0])
    _report(results, out, numbers)
    return status_of(results, resumed.problems)


def report(
    results_files: Annotated[list[Path], typer.Argument(help=f"Default: {DEFAULT_FOLDER / RESULTS_NAME}")] = [],
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = DEFAULT_FOLDER,
) -> int:
    """Rebuild the report from stored results; measures nothing."""
    stored = [measuring.read(path) for path in results_files or [DEFAULT_FOLDER / RESULTS_NAME]]
    results = [result for file in stored for result in file.results]
    _report(results, out, list(paper_grids.TABLES))
    return status_of(results, [problem for file in stored for problem in file.problems])


def _report(results: Sequence[Result], folder: Path, numbers: Sequence[int]) -> None:
    records = [json.loads(result.to_json()) for result in results]
    checks = folder / CHECKS_NAME
    lines = checks.read_text(encoding="utf-8").splitlines() if checks.exists() else []
    write_report(records, folder, numbers, [json.loads(line) for line in lines])
    for table in build_tables(frame_of(records), numbers):
        print(table.to_markdown())
    print(f"The report is {folder / FILE_NAME}")
