"""`python -m bench tables` and `report`: the paper's grids, and the report of what is stored."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import display, paper_grids, runner
from bench.ablation_grid import ablation_grid
from bench.commands import measuring
from bench.commands.measuring import Grid
from bench.commands.outcome import status_of
from bench.gpus import select_gpus
from bench.highway_grid import highway_grid
from bench.options import Launcher, RayAddress, Rerun, Steps
from bench.results import Result
from bench.rivals_grid import rivals_grid
from bench.run_grid import run_grid
from bench.settings import DEFAULT_STEPS, Settings
from bench.staleness import code_staleness, summarise
from bench.validation.command import check_all, check_all_steps, write_checks, write_step_checks
from bench.validation.ground_truth import SAMPLE, read_runs
from bench.validation.step_labels import STEPS, read_steps
from reports.document import FILE_NAME, build_tables, write_report
from reports.records import frame_of

DEFAULT_FOLDER = Path("bench-results")
RESULTS_NAME, CHECKS_NAME, STEP_CHECKS_NAME = "results.jsonl", "validation.jsonl", "validation-steps.jsonl"


def tables(
    numbers: Annotated[list[int], typer.Option("--table", help="1, 2, 3 or 4; default: all. Repeatable.")] = [],
    out: Annotated[Path, typer.Option(help="Folder for results and report.")] = DEFAULT_FOLDER,
    steps: Steps = DEFAULT_STEPS,
    rerun: Rerun = False,
    launcher: Launcher = "local",
    ray_address: RayAddress = "",
) -> int:
    """Run the grids of the paper's Tables 1-6, of E3VA's forms, rivals and runs; write the report."""
    beyond = [
        *run_grid(),
        *paper_grids.under_paper_settings(),
        *paper_grids.as_built(),
        *paper_grids.larger_batches(),
        *highway_grid(),
        *rivals_grid(),
        *ablation_grid(),
    ]
    beyond = [] if numbers else beyond
    numbers = numbers or list(paper_grids.TABLES)
    cases = runner.gathered([*beyond, *paper_grids.grid(numbers)])
    grid = Grid(cases, select_gpus(), Settings(steps, launcher=launcher, ray_address=ray_address), out / RESULTS_NAME)
    resumed = grid.resume(rerun)
    results = [*resumed.stored, *grid.measure(resumed.missing)]
    if beyond:
        write_checks(out / CHECKS_NAME, check_all(read_runs(SAMPLE))[0])
        write_step_checks(out / STEP_CHECKS_NAME, check_all_steps(read_steps(STEPS)))
    _report(results, out, numbers)
    return status_of(results, resumed.problems)


def report(
    results_files: Annotated[list[Path], typer.Argument(help=f"Default: {DEFAULT_FOLDER / RESULTS_NAME}")] = [],
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = DEFAULT_FOLDER,
) -> int:
    """Rebuild the report from stored results; measures nothing."""
    stored = [measuring.read(path) for path in results_files or [DEFAULT_FOLDER / RESULTS_NAME]]
    results = [result for file in stored for result in file.results]
    for line in summarise(map(code_staleness, results)):
        display.say(f"{line}; `run` or `tables` would measure them again")
    _report(results, out, list(paper_grids.TABLES))
    return status_of(results, [problem for file in stored for problem in file.problems])


def _report(results: Sequence[Result], folder: Path, numbers: Sequence[int]) -> None:
    records = [json.loads(result.to_json()) for result in results]
    write_report(records, folder, numbers, *(_lines(folder / name) for name in (CHECKS_NAME, STEP_CHECKS_NAME)))
    for table in build_tables(frame_of(records), numbers):
        print(table.to_markdown())
    print(f"The report is {folder / FILE_NAME}")


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]
