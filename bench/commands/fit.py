"""`python -m bench fit`: what a card can train."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from bench import fit_command
from bench.commands.outcome import OK
from bench.gpus import select_gpus
from bench.options import (
    ALL,
    Bf16Trunk,
    Checkpointing,
    FitJson,
    FusedAttention,
    GpuFiles,
    Gpus,
    MethodNames,
    OracleTexts,
    OwnStep,
    Precision,
    Profile,
    combinations,
    method_names,
    parse_oracles,
    parse_size,
)
from bench.own_fit import DEFAULT_BATCH


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
    bf16_trunk: Bf16Trunk = False,
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
        "bf16_trunk": [bf16_trunk],
        "method": method_names(methods),
    }
    fit_command.methods(list(combinations(choices)), card, as_json)
    return OK
