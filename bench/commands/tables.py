"""`python -m bench tables` and `report`: the paper's grids, and the report of what is stored."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.run_options import Launcher, RayAddress, Rerun, Steps
from bench.engines.settings import DEFAULT_STEPS, Settings
from drystep.commands.terminal import say, stdout
from drystep.errors import OutputError
from drystep.files.whole import require_folder, written_whole
from drystep.gpus.classes import select_gpus

if TYPE_CHECKING:
    from bench.results.result import Result
    from drystep.validation.check_files import CheckKind

DEFAULT_FOLDER = Path("bench-results")
RESULTS_NAME = "results.jsonl"
CHECKS_NAMES = ("validation.jsonl", "validation-steps.jsonl")
"""Files of checks of memory (measured and published) and of step times, beside the results."""
Runs = Annotated[
    Path | None,
    typer.Option(
        help="Folder of runs of `bench train`: the accuracies that `bench evaluate` wrote there are kept beside the "
        "report, instead of those kept before, and shown in it."
    ),
]


def tables(
    numbers: Annotated[list[int], typer.Option("--table", help="1, 2, 3 or 4; default: all. Repeatable.")] = [],
    out: Annotated[Path, typer.Option(help="Folder for results and report.")] = DEFAULT_FOLDER,
    steps: Steps = DEFAULT_STEPS,
    rerun: Rerun = False,
    launcher: Launcher = "local",
    ray_address: RayAddress = "",
    runs: Runs = None,
) -> int:
    """Measure the cases of the paper's Tables 1-6, and of E3VA's forms, rivals and runs; write the report."""
    settings = Settings(steps, launcher=launcher, ray_address=ray_address)

    from bench.cases import further_grids, paper_grids
    from bench.commands.exit_status import status_of
    from bench.commands.measuring import Grid
    from bench.launchers import run as runner

    beyond = [
        *further_grids.runs_grid(),
        *further_grids.allocators_grid(),
        *paper_grids.under_paper_settings(),
        *paper_grids.probable_table4(),
        *paper_grids.larger_batches(),
        *further_grids.forms_grid(),
        *further_grids.rivals_grid(),
        *further_grids.levers_grid(),
        *further_grids.ablation_grid(),
    ]
    beyond = [] if numbers else beyond
    numbers = numbers or list(paper_grids.TABLES)
    cases = runner.gathered([*beyond, *paper_grids.grid(numbers)])
    grid = Grid(cases, select_gpus(), settings, out / RESULTS_NAME)
    _require_outputs(out, writes_checks=bool(beyond))
    _keep_evaluations(runs, out)
    resumed = grid.resume(rerun)
    results = [*resumed.stored, *grid.measure(resumed.missing)]
    if beyond:
        _write_checks(out)
    _report(results, out, numbers, show=True)
    return status_of(results, resumed.problems)


def report(
    results_files: Annotated[list[Path], typer.Argument(help=f"Default: {DEFAULT_FOLDER / RESULTS_NAME}")] = [],
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = DEFAULT_FOLDER,
    show: Annotated[bool, typer.Option("--show", help="Also print the main tables, as wide as the terminal.")] = False,
    runs: Runs = None,
) -> int:
    """Write the report anew from stored results; nothing is measured."""
    from bench.cases import paper_grids
    from bench.commands import measuring
    from bench.commands.exit_status import status_of
    from bench.results.staleness import code_staleness, summarise

    stored = [measuring.read(path) for path in results_files or [DEFAULT_FOLDER / RESULTS_NAME]]
    results = [result for file in stored for result in file.results]
    _require_outputs(out)
    _keep_evaluations(runs, out)
    for line in summarise(map(code_staleness, results)):
        say(f"{line}; `run` or `tables` would measure them again")
    _report(results, out, list(paper_grids.TABLES), show)
    return status_of(results, [problem for file in stored for problem in file.problems])


def _write_checks(folder: Path) -> None:
    """Check the simulation against ground truth, for the report's section about trust."""
    from bench.commands.published_checks import check_published
    from drystep.calibration.validation import shipped_errors
    from drystep.commands.validation.reports import check_reports, families_of
    from drystep.commands.validation.runs import check_all, check_all_steps, write_checks, write_step_checks
    from drystep.validation.field_reports.rows import read_reports
    from drystep.validation.ground_truth import FIELD_REPORTS, SAMPLE, STEPS, read_runs
    from drystep.validation.step_labels import read_steps

    checks, step_checks = (folder / name for name in CHECKS_NAMES)
    reports = read_reports(FIELD_REPORTS)
    of_reports = check_reports(reports, families_of(reports, None))
    write_checks(checks, [*check_all(read_runs(SAMPLE))[0], *check_published()], of_reports)
    write_step_checks(step_checks, check_all_steps(read_steps(STEPS)), shipped_errors())


def _keep_evaluations(runs: Path | None, folder: Path) -> None:
    """Keep the evaluations of a folder of runs beside the report, if there is one.

    Raises `ValueError` for a folder without any, and `OutputError` if they cannot be written.
    """
    if runs is None:
        return
    from bench.training.evaluation.accuracy_files import gather, keep, require_writable

    evaluations, remarks = gather(runs)
    require_writable(folder)
    for remark in remarks:
        say(remark)
    try:
        keep(folder, evaluations)
    except OSError as error:
        raise OutputError(f"cannot keep the evaluations in {folder}: {error.strerror or error}") from error


def _require_outputs(folder: Path, writes_checks: bool = False) -> None:
    """Raise `ValueError` if the report, or the checks beside it, could not be written."""
    from drystep.validation.check_files import require_checks_file

    try:
        require_folder(folder)
    except OSError as error:
        raise ValueError(f"cannot write the report to {folder}: {error.strerror or error}") from error
    if writes_checks:
        for name, kinds in zip(CHECKS_NAMES, _kinds(), strict=True):
            require_checks_file(folder / name, *kinds)


def _kinds() -> "tuple[tuple[CheckKind, ...], ...]":
    """The kinds of checks in each of the files."""
    from drystep.validation.check_files import MEMORY_CHECKS, REPORT_CHECKS, STEP_CHECKS, TIME_CHECKS

    return (MEMORY_CHECKS, REPORT_CHECKS), (STEP_CHECKS, TIME_CHECKS)


def _report(results: "Sequence[Result]", folder: Path, numbers: Sequence[int], show: bool) -> None:
    from bench.commands.texts.report import print_report
    from bench.training.evaluation.accuracy_files import read_kept
    from drystep.validation.check_files import read_checks_file
    from reports.document import FILE_NAME, build_tables, write_report
    from reports.page import page
    from reports.page.outcomes import settings_in
    from reports.records import frame_of

    records = [json.loads(result.to_json()) for result in results]
    files = [read_checks_file(folder / name, *kinds) for name, kinds in zip(CHECKS_NAMES, _kinds(), strict=True)]
    evaluations, remarks = read_kept(folder)
    for problem in [*(problem for _, problems in files for problem in problems), *remarks]:
        say(problem)
    checks, step_checks = (lines for lines, _ in files)
    frame = frame_of(records)
    built = build_tables(frame, numbers, evaluations)
    try:
        with written_whole(folder) as unfinished:
            write_report(records, unfinished, numbers, checks, step_checks, evaluations)
            page.write_page(records, unfinished, built, checks, step_checks)
    except OSError as error:
        raise OutputError(f"cannot write the report to {folder}: {error.strerror or error}") from error
    if show:
        print_report(settings_in(frame), built, stdout)
    stdout.print(f"The report is {folder / FILE_NAME}, and as a page {folder / page.FILE_NAME}", soft_wrap=True)
