"""The command line: `python -m bench COMMAND`, also installed as `e3va-bench`."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import compare as comparison
from bench import display, paper_grids, runner
from bench.case import ENGINES, Case
from bench.gpus import read_gpus, select_gpus
from bench.methods import METHODS
from bench.results import Result, read_results
from bench.search import search
from bench.simulation.semantics import PRECISIONS, PROFILES
from bench.workloads import WORKLOADS
from models.naming import choose
from models.swin import SWIN_SIZES
from reports.document import FILE_NAME, build_tables, write_report
from reports.records import frame_of

OK, FAILED, WRONG_COMMAND = 0, 1, 2
DEFAULT_FOLDER = Path("bench-results")
RESULTS_NAME = "results.jsonl"
ALL = "all"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What fine-tuning a vision model costs in GPU memory and time, and whether it fits a card.",
)

Tasks = Annotated[list[str], typer.Option("--task", help="voc, ade20k or coco; repeatable.")]
Backbones = Annotated[list[str], typer.Option("--backbone", help="Default: the paper's for the task. Repeatable.")]
Windows = Annotated[list[int], typer.Option("--window", help="Attention window, 7 or 12. Repeatable.")]
MethodNames = Annotated[list[str], typer.Option("--method", help="A method, or all. Repeatable.")]
BatchSizes = Annotated[list[int], typer.Option("--batch-size", help="Images per GPU. Repeatable.")]
ImageSizes = Annotated[list[str], typer.Option("--image-size", help="HxW; default: the task's. Repeatable.")]
Precisions = Annotated[list[str], typer.Option("--precision", help="Repeatable.")]
Profiles = Annotated[list[str], typer.Option("--profile", help="Rules by which PyTorch allocates. Repeatable.")]
GtBoxes = Annotated[int | None, typer.Option("--gt-boxes", help="Objects per image; default: the task's.")]
Rois = Annotated[int | None, typer.Option("--rois-per-image", help="RoIs per image and cascade stage; default: 512.")]
Seed = Annotated[int, typer.Option("--seed")]
Gpus = Annotated[list[str], typer.Option("--gpu", help="GPU class to judge; default: all. Repeatable.")]
GpuFiles = Annotated[list[Path], typer.Option("--gpu-file", help="TOML file with further GPU classes. Repeatable.")]
Steps = Annotated[int, typer.Option("--steps", help="Timed steps, where the engine times.")]
Rerun = Annotated[bool, typer.Option("--rerun", help="Measure again what the results already hold.")]


@app.command()
def run(
    tasks: Tasks = [],
    backbones: Backbones = [],
    windows: Windows = [7],
    methods: MethodNames = [ALL],
    batch_sizes: BatchSizes = [2],
    image_sizes: ImageSizes = [],
    precisions: Precisions = ["fp32"],
    profiles: Profiles = ["torch-2.11"],
    engine: Annotated[str, typer.Option(help="auto, simulate, cpu or cuda.")] = "auto",
    gt_boxes: GtBoxes = None,
    rois_per_image: Rois = None,
    seed: Seed = 0,
    gpus: Gpus = [],
    gpu_files: GpuFiles = [],
    steps: Steps = runner.DEFAULT_STEPS,
    out: Annotated[Path | None, typer.Option(help="Append result lines here, and skip cases it holds.")] = None,
    rerun: Rerun = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on stdout and nothing else there.")] = False,
) -> int:
    """Measure cases: all combinations of what the options name."""
    _require_tasks(tasks)
    choices: dict[str, Sequence[Any]] = {
        "task": tasks,
        "backbone": backbones,
        "window": windows,
        "precision": precisions,
        "profile": profiles,
        "batch_size": batch_sizes,
        "image_size": [_parse_size(size) for size in image_sizes],
        "gt_boxes": [] if gt_boxes is None else [gt_boxes],
        "rois_per_image": [] if rois_per_image is None else [rois_per_image],
        "method": _method_names(methods),
        "engine": [engine],
        "seed": [seed],
    }
    cases = list(_combinations(choices))
    classes = select_gpus(gpus, gpu_files)
    missing, results = runner.resume(cases, classes, out, rerun, display.say) if out else (cases, [])
    if as_json:
        for result in results:
            print(result.to_json(), flush=True)
    measured = (
        runner.run_into(out, missing, classes, steps, display.say)
        if out
        else runner.run(missing, classes, steps, display.say)
    )
    for result in display.follow(missing, measured):
        results.append(result)
        if as_json:
            print(result.to_json(), flush=True)
    if not as_json:
        display.stdout.print(display.results_table(results))
    return _status(results)


@app.command()
def tables(
    numbers: Annotated[list[int], typer.Option("--table", help="1, 2, 3 or 4; default: all. Repeatable.")] = [],
    out: Annotated[Path, typer.Option(help="Folder for results and report.")] = DEFAULT_FOLDER,
    steps: Steps = runner.DEFAULT_STEPS,
    rerun: Rerun = False,
) -> int:
    """Run the grids of the paper's Tables 1-4, write the report, and print the tables."""
    numbers = numbers or list(paper_grids.TABLES)
    cases, classes, store = paper_grids.grid(numbers), select_gpus(), out / RESULTS_NAME
    missing, results = runner.resume(cases, classes, store, rerun, display.say)
    results += display.follow(missing, runner.run_into(store, missing, classes, steps, display.say))
    _report(results, out, numbers)
    return _status(results)


@app.command()
def report(
    results_files: Annotated[list[Path], typer.Argument(help=f"Default: {DEFAULT_FOLDER / RESULTS_NAME}")] = [],
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = DEFAULT_FOLDER,
) -> int:
    """Rebuild the report from stored results; measures nothing."""
    results, status = [], OK
    for path in results_files or [DEFAULT_FOLDER / RESULTS_NAME]:
        results_of_file, sound = _read(path)
        results += results_of_file
        status = status if sound else FAILED
    _report(results, out, list(paper_grids.TABLES))
    return max(status, _status(results))


@app.command()
def fit(
    gpu: Annotated[str, typer.Option("--gpu", help="The GPU class to fit.")],
    task: Annotated[str, typer.Option("--task", help="voc, ade20k or coco.")] = "coco",
    backbone: Annotated[str | None, typer.Option(help="Default: the paper's for the task.")] = None,
    methods: MethodNames = [ALL],
    batch_size: Annotated[int, typer.Option(help="Images per GPU that the verdict is for.")] = 2,
    image_size: Annotated[str | None, typer.Option(help="HxW; default: the task's.")] = None,
    gpu_files: GpuFiles = [],
) -> int:
    """For a GPU: which methods fit, how much room is left, the largest batch and image. All simulated."""
    (card,) = select_gpus([gpu], gpu_files)
    choices: dict[str, Sequence[Any]] = {
        "task": [task],
        "backbone": [backbone] if backbone else [],
        "batch_size": [batch_size],
        "image_size": [_parse_size(image_size)] if image_size else [],
        "engine": ["simulate"],
        "method": _method_names(methods),
    }
    cases = list(_combinations(choices))
    first = cases[0]
    height, width = first.image_size
    with display.stderr.status("") as waiting:
        rows = []
        for case in cases:
            waiting.update(case.title)
            rows.append(search(case, card))
    display.stdout.print(
        f"{card.label}, {card.usable_bytes / display.GIB:.2f} GiB usable; {task}, {first.backbone}, "
        f"{batch_size} x {height} x {width}, {first.precision}; simulated"
    )
    display.stdout.print(display.headroom_table(rows))
    return OK


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="A")],
    after: Annotated[Path, typer.Argument(metavar="B")],
    memory_tolerance: Annotated[str, typer.Option(help="Growth of memory that is accepted.")] = "1%",
    time_tolerance: Annotated[str, typer.Option(help="Growth of step time that is accepted.")] = "25%",
) -> int:
    """Compare two result files; exit 1 when memory or time got worse than the tolerance."""
    tolerance = comparison.Tolerance(_parse_percent(memory_tolerance), _parse_percent(time_tolerance))
    (results_before, _), (results_after, _) = _read(before), _read(after)
    changes = comparison.compare(results_before, results_after, tolerance)
    display.stdout.print(display.changes_table(changes))
    return FAILED if any(change.worse for change in changes) else OK


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
    try:
        return command.main(arguments, prog_name="bench", standalone_mode=False) or OK
    except typer.TyperException as error:
        return _complain(error.format_message())
    except ValueError as error:
        return _complain(str(error))
    except typer.Abort:
        return 130


def _complain(message: str) -> int:
    if message:
        print(f"error: {message}", file=sys.stderr)
    return WRONG_COMMAND


def _status(results: Sequence[Result]) -> int:
    return FAILED if any(result.status == "error" for result in results) else OK


def _combinations(choices: Mapping[str, Sequence[Any]]) -> Iterator[Case]:
    """Every combination of the choices; a field without a choice keeps its default."""
    chosen = {name: values for name, values in choices.items() if values}
    for values in product(*chosen.values()):
        yield Case(**dict(zip(chosen, values, strict=True)))


def _require_tasks(tasks: Sequence[str]) -> None:
    if not tasks:
        raise ValueError(f"name what to train with --task: {', '.join(WORKLOADS)}")


def _method_names(methods: Sequence[str]) -> list[str]:
    for method in methods:
        choose("method", method, [*METHODS, ALL])
    return list(METHODS) if ALL in methods else list(dict.fromkeys(methods))


def _parse_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise ValueError(f"image size {text!r} is not HxW, such as 800x1344")
    return int(match[1]), int(match[2])


def _parse_percent(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", text)
    if not match:
        raise ValueError(f"tolerance {text!r} is not a percentage, such as 1%")
    return float(match[1])


def _read(path: Path) -> tuple[list[Result], bool]:
    """Results of a file, and whether all its lines were good; bad ones are named."""
    stored = read_results(path)
    for problem in stored.problems:
        display.say(problem)
    return stored.results, not stored.problems


def _report(results: Sequence[Result], folder: Path, numbers: Sequence[int]) -> None:
    records = [json.loads(result.to_json()) for result in results]
    write_report(records, folder, numbers)
    for table in build_tables(frame_of(records), numbers):
        print(table.to_markdown())
    print(f"The report is {folder / FILE_NAME}")
