"""The command line: `python -m bench COMMAND`, also installed as `e3va-bench`."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import compare as comparison
from bench import display, fit_command, paper_grids, runner
from bench.case import ENGINES, Case
from bench.explain import explain
from bench.gpus import Gpu, read_gpus, select_gpus
from bench.methods import METHODS
from bench.options import (
    ALL,
    Backbones,
    BatchCounts,
    BatchSizes,
    Checkpointing,
    FitJson,
    FusedAttention,
    GpuFiles,
    Gpus,
    GtBoxes,
    ImageSizes,
    MethodNames,
    OracleTexts,
    OwnStep,
    Precision,
    Precisions,
    Profile,
    Profiles,
    Rerun,
    Rois,
    Seed,
    Steps,
    Stretch,
    Tasks,
    Windows,
    combinations,
    method_names,
    parse_oracles,
    parse_percent,
    parse_size,
    require_tasks,
)
from bench.own_fit import DEFAULT_BATCH
from bench.results import Result, StoredResults, read_results
from bench.rivals_grid import rivals_grid
from bench.run_grid import run_grid
from bench.simulation.semantics import PRECISIONS, PROFILES
from bench.validation.command import check_all, validate, write_checks
from bench.validation.ground_truth import SAMPLE, read_runs
from bench.workloads import WORKLOADS
from models.swin import SWIN_SIZES
from reports.document import FILE_NAME, build_tables, write_report
from reports.records import frame_of

OK, FAILED, WRONG_COMMAND = 0, 1, 2
DEFAULT_FOLDER = Path("bench-results")
RESULTS_NAME, CHECKS_NAME = "results.jsonl", "validation.jsonl"

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="What fine-tuning a vision model costs in GPU memory and time, and whether it fits a card.",
)


@app.command()
def run(
    tasks: Tasks = [],
    backbones: Backbones = [],
    windows: Windows = [7],
    methods: MethodNames = [ALL],
    batch_sizes: BatchSizes = [2],
    image_sizes: ImageSizes = [],
    batches: BatchCounts = [1],
    stretch: Stretch = "worst",
    precisions: Precisions = ["fp32"],
    profiles: Profiles = ["torch-2.11"],
    engine: Annotated[str, typer.Option(help="auto, simulate, cpu or cuda.")] = "auto",
    gt_boxes: GtBoxes = None,
    rois_per_image: Rois = None,
    fused_attention: FusedAttention = False,
    checkpointing: Checkpointing = False,
    seed: Seed = 0,
    gpus: Gpus = [],
    gpu_files: GpuFiles = [],
    steps: Steps = runner.DEFAULT_STEPS,
    out: Annotated[Path | None, typer.Option(help="Append result lines here, and skip cases it holds.")] = None,
    rerun: Rerun = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on stdout and nothing else there.")] = False,
) -> int:
    """Measure cases: all combinations of what the options name."""
    require_tasks(tasks)
    choices: dict[str, Sequence[Any]] = {
        "task": tasks,
        "backbone": backbones,
        "window": windows,
        "precision": precisions,
        "profile": profiles,
        "batch_size": batch_sizes,
        "image_size": [parse_size(size) for size in image_sizes],
        "batches": batches,
        "stretch": [stretch],
        "gt_boxes": [] if gt_boxes is None else [gt_boxes],
        "rois_per_image": [] if rois_per_image is None else [rois_per_image],
        "method": method_names(methods),
        "engine": [engine],
        "fused_attention": [fused_attention],
        "checkpointing": [checkpointing],
        "seed": [seed],
    }
    cases = list(combinations(choices))
    classes = select_gpus(gpus, gpu_files)
    resumed = _resume(cases, classes, out, rerun)
    results = list(resumed.stored)
    if as_json:
        for result in results:
            print(result.to_json(), flush=True)
    for result in _measure(resumed.missing, classes, steps, out):
        results.append(result)
        if as_json:
            print(result.to_json(), flush=True)
    if not as_json:
        display.stdout.print(display.results_table(results))
    return _status(results, resumed.problems)


@app.command()
def tables(
    numbers: Annotated[list[int], typer.Option("--table", help="1, 2, 3 or 4; default: all. Repeatable.")] = [],
    out: Annotated[Path, typer.Option(help="Folder for results and report.")] = DEFAULT_FOLDER,
    steps: Steps = runner.DEFAULT_STEPS,
    rerun: Rerun = False,
) -> int:
    """Run the grids of the paper's Tables 1-4, of rivals and the worst case over a run; write report and tables."""
    beyond = [] if numbers else [*run_grid(), *paper_grids.under_paper_settings(), *rivals_grid()]
    numbers = numbers or list(paper_grids.TABLES)
    cases = runner.gathered([*beyond, *paper_grids.grid(numbers)])
    classes, store = select_gpus(), out / RESULTS_NAME
    resumed = _resume(cases, classes, store, rerun)
    results = [*resumed.stored, *_measure(resumed.missing, classes, steps, store)]
    if beyond:
        write_checks(out / CHECKS_NAME, check_all(read_runs(SAMPLE))[0])
    _report(results, out, numbers)
    return _status(results, resumed.problems)


@app.command()
def report(
    results_files: Annotated[list[Path], typer.Argument(help=f"Default: {DEFAULT_FOLDER / RESULTS_NAME}")] = [],
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = DEFAULT_FOLDER,
) -> int:
    """Rebuild the report from stored results; measures nothing."""
    stored = [_read(path) for path in results_files or [DEFAULT_FOLDER / RESULTS_NAME]]
    results = [result for file in stored for result in file.results]
    _report(results, out, list(paper_grids.TABLES))
    return _status(results, [problem for file in stored for problem in file.problems])


@app.command()
def fit(
    gpus: Gpus = [],
    module: OwnStep = None,
    task: Annotated[str, typer.Option("--task", help="voc, ade20k or coco.")] = "coco",
    backbone: Annotated[str | None, typer.Option(help="Default: the paper's for the task.")] = None,
    methods: MethodNames = [ALL],
    batch_size: Annotated[
        int | None, typer.Option(help="The verdict is for it. Default: 2, or your step's own.")
    ] = None,
    image_size: Annotated[str | None, typer.Option(help="HxW; default: the task's.")] = None,
    precision: Precision = "fp32",
    profile: Profile = "torch-2.11",
    fused_attention: FusedAttention = False,
    checkpointing: Checkpointing = False,
    batches: Annotated[int, typer.Option(help="More than 1: for the worst of a run of that many batches.")] = 1,
    oracles: OracleTexts = [],
    gpu_files: GpuFiles = [],
    as_json: FitJson = False,
) -> int:
    """For a GPU: which methods fit, or a step of your own; how much room is left, the largest batch. All simulated."""
    if module is not None:
        cards = select_gpus(gpus, gpu_files)
        fit_command.own_step(module, cards, batch_size, profile, precision, parse_oracles(oracles), as_json)
        return OK
    if len(gpus) != 1:
        raise ValueError("name one card with --gpu, or a step of your own with --module FILE.py:NAME")
    (card,) = select_gpus(gpus, gpu_files)
    choices: dict[str, Sequence[Any]] = {
        "task": [task],
        "backbone": [backbone] if backbone else [],
        "batch_size": [DEFAULT_BATCH if batch_size is None else batch_size],
        "image_size": [parse_size(image_size)] if image_size else [],
        "batches": [batches],
        "engine": ["simulate"],
        "precision": [precision],
        "profile": [profile],
        "fused_attention": [fused_attention],
        "checkpointing": [checkpointing],
        "method": method_names(methods),
    }
    fit_command.methods(list(combinations(choices)), card, as_json)
    return OK


app.command()(explain)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="A")],
    after: Annotated[Path, typer.Argument(metavar="B")],
    memory_tolerance: Annotated[str, typer.Option(help="Growth of memory that is accepted.")] = "1%",
    time_tolerance: Annotated[str, typer.Option(help="Growth of step time that is accepted.")] = "25%",
) -> int:
    """Compare two result files; exit 1 when memory or time got worse than the tolerance."""
    tolerance = comparison.Tolerance(parse_percent(memory_tolerance), parse_percent(time_tolerance))
    files = (_read(before), _read(after))
    changes = comparison.compare(files[0].results, files[1].results, tolerance)
    display.stdout.print(display.changes_table(changes))
    worse = any(change.worse for change in changes)
    return FAILED if worse or files[0].problems or files[1].problems else OK


app.command()(validate)


@app.command("list")
def list_names(
    gpu_files: GpuFiles = [],
) -> int:
    """List methods, tasks, backbones, GPU classes, engines, profiles and precisions."""
    gpus = {
        gpu.name: gpu.label
        for path in (None, *gpu_files)
        for gpu in (read_gpus(path) if path else read_gpus()).values()
    }
    sections = {
        "methods": {method.name: method.label for method in METHODS.values()},
        "tasks": {workload.name: f"{workload.dataset}, {workload.detector}" for workload in WORKLOADS.values()},
        "backbones": dict.fromkeys(SWIN_SIZES, ""),
        "gpus": gpus,
        "engines": dict.fromkeys(ENGINES, ""),
        "profiles": dict.fromkeys(PROFILES, ""),
        "precisions": dict.fromkeys(PRECISIONS, ""),
    }
    for section, names in sections.items():
        print(section)
        for name, meaning in names.items():
            print(f"  {name:<20}{meaning}".rstrip())
    return OK


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 all measured, 1 some case failed, 2 the command was wrong."""
    command = typer.main.get_command(app)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return command.main(arguments or ["--help"], prog_name="bench", standalone_mode=False) or OK
    except typer.TyperException as error:
        return _complain(error.format_message())
    except ValueError as error:
        return _complain(str(error))
    except typer.Abort:
        return 130


def _complain(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return WRONG_COMMAND


def _status(results: Sequence[Result], problems: Sequence[str] = ()) -> int:
    return FAILED if problems or any(result.status == "error" for result in results) else OK


def _resume(cases: Sequence[Case], gpus: Sequence[Gpu], out: Path | None, rerun: bool) -> runner.Resumed:
    if out is None:
        return runner.Resumed(list(cases), [], [])
    resumed = runner.resume(cases, gpus, out, rerun)
    for problem in resumed.problems:
        display.say(problem)
    return resumed


def _measure(cases: Sequence[Case], gpus: Sequence[Gpu], steps: int, out: Path | None) -> Iterator[Result]:
    """Measure with a progress bar, into a file if there is one."""
    if out is None:
        measured = runner.run(cases, gpus, steps, display.say)
    else:
        measured = runner.run_into(out, cases, gpus, steps, display.say)
    return display.follow(cases, measured)


def _read(path: Path) -> StoredResults:
    """Read a results file and name its bad lines."""
    stored = read_results(path)
    for problem in stored.problems:
        display.say(problem)
    return stored


def _report(results: Sequence[Result], folder: Path, numbers: Sequence[int]) -> None:
    records = [json.loads(result.to_json()) for result in results]
    checks = folder / CHECKS_NAME
    lines = checks.read_text(encoding="utf-8").splitlines() if checks.exists() else []
    write_report(records, folder, numbers, [json.loads(line) for line in lines])
    for table in build_tables(frame_of(records), numbers):
        print(table.to_markdown())
    print(f"The report is {folder / FILE_NAME}")
