"""`python -m bench train`: train methods on a data set in its real format."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cases.case import Case
from bench.commands.case_options import takes_cases
from bench.commands.training.progress import TerminalWatcher, say_remarks
from bench.training.names import PRETRAINED
from drystep.bounds import require_whole
from drystep.commands.exit_status import FAILED, OK
from drystep.commands.terminal import say, stdout

FIXED: dict[str, Any] = {
    "batch_size": 2, "image_size": None, "batches": 1, "stretch": "worst", "optimizer": "adamw", "engine": "simulate",
    "profile": "torch-2.11", "torch": None, "ddp": False, "cudnn_benchmark": False, "alloc_conf": "", "gt_boxes": None,
    "rois_per_image": None,
}  # fmt: skip
"""Fields of a case that a training takes from its recipe and data, or that only a simulation has."""
DEFAULT_FOLDER = Path("runs")


@takes_cases(repeatable=("method", "seed"), **FIXED)
def train(
    cases: list[Case],
    data: Annotated[Path, typer.Option(help="Folder of the data set, in its real format.")],
    pretrained: Annotated[
        str,
        typer.Option(
            metavar="[FILE]",
            help="Weights to start from: a file in timm's layout or that of the Swin release, or, without a file, "
            "those that timm publishes. Without this option, weights are random.",
            show_default=False,
        ),
    ] = "",
    out: Annotated[Path, typer.Option(help="Folder in which each run gets a folder of its own.")] = DEFAULT_FOLDER,
    epochs: Annotated[float | None, typer.Option(help="Passes over the data; default: the recipe's.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of the optimizer, instead of epochs.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Default: the recipe's.")] = None,
    images_per_gpu: Annotated[int | None, typer.Option(help="Images of one pass; default: the recipe's.")] = None,
    total_batch: Annotated[int | None, typer.Option(help="Images of one step; default: the recipe's.")] = None,
    clip_norm: Annotated[
        float | None, typer.Option(help="Largest norm of the gradients; default: the recipe's.")
    ] = None,
    regions_as_background: Annotated[
        bool,
        typer.Option(
            "--regions-as-background",
            help="Learn background where crowds and difficult objects are, as the released configurations do.",
        ),
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes that load images.")] = 2,
    device: Annotated[str, typer.Option(help="cuda, cpu, or auto, which takes CUDA where there is a device.")] = "auto",
    log_every: Annotated[int, typer.Option(help="Steps between lines of log.jsonl.")] = 10,
    checkpoint_every: Annotated[
        int | None, typer.Option(help="Steps between checkpoints; default: a twentieth of the training.")
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard's files too.")] = False,
    rerun: Annotated[bool, typer.Option("--rerun", help="Train anew what was trained before.")] = False,
) -> int:
    """Train methods on a data set; what is stopped goes on with the same command. Under `torchrun`, on several GPUs."""
    for name, value in {"log-every": log_every, "checkpoint-every": checkpoint_every}.items():
        if value is not None:
            require_whole(name, value, 1, 10**9)
    require_whole("workers", workers, 0, 1024)

    from bench.training.data.open_data import open_data
    from bench.training.grid import Grid
    from bench.training.loop import LoopOptions
    from bench.training.processes import processes
    from bench.training.recipe import recipe_for

    with processes(device) as joined:
        found = open_data(cases[0].task, data, "train")
        recipe = recipe_for(found).changed(
            epochs=epochs, steps=steps, learning_rate=learning_rate, images_per_gpu=images_per_gpu,
            total_batch=total_batch, clip_norm=clip_norm,
        )  # fmt: skip
        recipe = replace(recipe, images=replace(recipe.images, ignores_regions=not regions_as_background))
        sized = [replace(case, batch_size=recipe.images_per_gpu, ddp=joined.count > 1) for case in cases]
        options = LoopOptions(log_every, checkpoint_every, tensorboard)
        source = pretrained if pretrained in ("", PRETRAINED) else str(Path(pretrained).resolve())
        grid = Grid(found, recipe, source, out, options, workers, TerminalWatcher())
        if joined.is_first:
            say_remarks(found)
        failed = 0
        for case in sized:
            done = grid.train(case, joined, rerun)
            failed += done.failure is not None
            if joined.is_first:
                say(f"error: {case.title}: {done.failure}") if done.failure else stdout.print(done.text, soft_wrap=True)
    return FAILED if failed else OK
