"""`python -m bench run`: measure cases."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import display, runner
from bench.commands.measuring import Grid
from bench.commands.outcome import status_of
from bench.engines.cards import classes_for
from bench.gpus import select_gpus
from bench.options import (
    ALL,
    AllowBusy,
    Backbones,
    BatchCounts,
    BatchSizes,
    Bf16Trunk,
    Checkpointing,
    FusedAttention,
    GpuFiles,
    Gpus,
    GtBoxes,
    ImageSizes,
    Launcher,
    MethodNames,
    Precisions,
    Profiles,
    RayAddress,
    Rerun,
    Rois,
    Seed,
    Steps,
    Stretch,
    Tasks,
    TimeLimit,
    Windows,
    combinations,
    method_names,
    parse_size,
    require_tasks,
)
from bench.settings import DEFAULT_STEPS, DEFAULT_TIME_LIMIT_S, Settings


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
    bf16_trunk: Bf16Trunk = False,
    seed: Seed = 0,
    gpus: Gpus = [],
    gpu_files: GpuFiles = [],
    steps: Steps = DEFAULT_STEPS,
    time_limit: TimeLimit = DEFAULT_TIME_LIMIT_S,
    allow_busy: AllowBusy = False,
    launcher: Launcher = "local",
    ray_address: RayAddress = "",
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
        "bf16_trunk": [bf16_trunk],
        "seed": [seed],
    }
    cases = list(combinations(choices))
    settings = Settings(steps, time_limit, allow_busy, launcher, ray_address)
    classes = select_gpus(gpus, gpu_files)
    if any(case.engine == "cuda" for case in cases):
        classes = classes_for(classes, *runner.smallest_card(settings), named=bool(gpus))
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
        display.stdout.print(display.results_table(results))
    return status_of(results, resumed.problems)
