"""`python -m bench run`: measure cases."""

from typing import Annotated

import typer

from bench.cases.case import Case
from bench.commands.case_options import takes_cases
from bench.commands.run_options import AllowBusy, Launcher, OutFile, RayAddress, Rerun, Steps, TimeLimit
from bench.engines.settings import DEFAULT_STEPS, DEFAULT_TIME_LIMIT_S, Settings
from drystep.commands.step_options import GpuFiles, Gpus
from drystep.commands.terminal import stdout
from drystep.gpus.classes import select_gpus

REPEATABLE = (
    "task", "method", "backbone", "window", "batch_size", "image_size", "batches", "precision", "profile",
)  # fmt: skip


@takes_cases(repeatable=REPEATABLE)
def run(
    cases: list[Case],
    gpus: Gpus = [],
    gpu_files: GpuFiles = [],
    steps: Steps = DEFAULT_STEPS,
    time_limit: TimeLimit = DEFAULT_TIME_LIMIT_S,
    allow_busy: AllowBusy = False,
    launcher: Launcher = "local",
    ray_address: RayAddress = "",
    out: OutFile = None,
    rerun: Rerun = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON lines on stdout, and nothing else there.")
    ] = False,
) -> int:
    """Measure cases: all combinations of what the options name."""
    settings = Settings(steps, time_limit, allow_busy, launcher, ray_address)
    classes = select_gpus(gpus, gpu_files)

    from bench.commands.exit_status import status_of
    from bench.commands.measuring import Grid
    from bench.commands.texts.results import results_table
    from bench.launchers.run import smallest_card

    if any(case.engine == "cuda" for case in cases):
        from drystep.measure.cards import classes_for

        classes = classes_for(classes, *smallest_card(settings), named=bool(gpus))
    grid = Grid(cases, classes, settings, out)
    resumed = grid.resume(rerun)
    results = list(resumed.stored)
    if as_json:
        for result in results:
            print(result.to_json(), flush=True)
    for result in grid.measure(resumed.missing):
        results.append(result)
        if as_json:
            print(result.to_json(), flush=True)
    if not as_json:
        stdout.print(results_table(results))
    return status_of(results, resumed.problems)
