"""Options of the command line: their types, and what is made of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.case import Case
from bench.methods import METHODS, PAPER_METHODS
from bench.percent import parse_percent
from bench.simulation.oracles import ITEM, ROWS, Oracles
from bench.workloads import WORKLOADS
from models.naming import choose

ALL = "all"

Tasks = Annotated[list[str], typer.Option("--task", help="voc, ade20k or coco; repeatable.")]
Backbones = Annotated[list[str], typer.Option("--backbone", help="Default: the paper's for the task. Repeatable.")]
Windows = Annotated[list[int], typer.Option("--window", help="Attention window, 7 or 12. Repeatable.")]
MethodNames = Annotated[list[str], typer.Option("--method", help="A method, or all: the paper's twelve. Repeatable.")]
BatchSizes = Annotated[list[int], typer.Option("--batch-size", help="Images per GPU. Repeatable.")]
BatchCounts = Annotated[
    list[int],
    typer.Option("--batches", help="More than 1: a run of that many batches from the task's augmentation. Repeatable."),
]
ImageSizes = Annotated[list[str], typer.Option("--image-size", help="HxW; default: the task's. Repeatable.")]
Precisions = Annotated[list[str], typer.Option("--precision", help="Repeatable.")]
Profiles = Annotated[list[str], typer.Option("--profile", help="Rules by which PyTorch allocates. Repeatable.")]
GtBoxes = Annotated[int | None, typer.Option("--gt-boxes", help="Objects per image; default: the task's.")]
Rois = Annotated[int | None, typer.Option("--rois-per-image", help="RoIs per image and cascade stage; default: 512.")]
Stretch = Annotated[str, typer.Option("--stretch", help="Batches of an epoch that a run takes: worst or first.")]
FusedAttention = Annotated[bool, typer.Option("--fused-attention", help="One attention kernel instead of explicit.")]
Checkpointing = Annotated[bool, typer.Option("--checkpointing", help="Recompute Swin blocks in backward.")]
Bf16Trunk = Annotated[bool, typer.Option("--bf16-trunk", help="Frozen blocks beside E3VA's highway in bfloat16.")]
Seed = Annotated[int, typer.Option("--seed")]
Gpus = Annotated[list[str], typer.Option("--gpu", help="GPU class to judge; default: all. Repeatable.")]
GpuFiles = Annotated[list[Path], typer.Option("--gpu-file", help="TOML file with further GPU classes. Repeatable.")]
Steps = Annotated[int, typer.Option("--steps", help="Timed steps, where the engine times.")]
TimeLimit = Annotated[
    float, typer.Option("--time-limit", metavar="SECONDS", help="Stops the process of a case (cpu, cuda).")
]
AllowBusy = Annotated[bool, typer.Option("--allow-busy", help="Measure also on a GPU that others use.")]
Launcher = Annotated[str, typer.Option(help="local, or ray: spread the cases over a Ray cluster.")]
RayAddress = Annotated[str, typer.Option(help="Of the Ray cluster to join; without it, a Ray of this machine.")]
Rerun = Annotated[bool, typer.Option("--rerun", help="Measure again what the results already hold.")]
OwnStep = Annotated[
    str | None, typer.Option("--module", metavar="FILE.py:NAME", help="A training step of your own, see README.")
]
OracleTexts = Annotated[
    list[str],
    typer.Option("--oracle", metavar="NAME=NUMBER", help="What depends on values. Repeatable."),
]
Precision = Annotated[str, typer.Option("--precision")]
Profile = Annotated[str, typer.Option("--profile", help="Rules by which PyTorch allocates.")]
FitJson = Annotated[bool, typer.Option("--json", help="JSON lines, one per row of the table.")]


def combinations(choices: Mapping[str, Sequence[Any]]) -> Iterator[Case]:
    """Every combination of the choices; a field without a choice keeps its default."""
    chosen = {name: values for name, values in choices.items() if values}
    for values in product(*chosen.values()):
        yield Case(**dict(zip(chosen, values, strict=True)))


def require_tasks(tasks: Sequence[str]) -> None:
    """Raise `ValueError` that lists the tasks if none is named."""
    if not tasks:
        raise ValueError(f"name what to train with --task: {', '.join(WORKLOADS)}")


def method_names(methods: Sequence[str]) -> list[str]:
    """The named methods, each once; "all" stands for the paper's. Raises `ValueError` for an unknown one."""
    for method in methods:
        choose("method", method, [*METHODS, ALL])
    return list(PAPER_METHODS) if ALL in methods else list(dict.fromkeys(methods))


def parse_size(text: str) -> tuple[int, int]:
    """Turn "800x1344" into height and width. Raises `ValueError` for anything else."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise ValueError(f"image size {text!r} is not HxW, such as 800x1344")
    return int(match[1]), int(match[2])


def parse_tolerances(texts: Sequence[str]) -> dict[str, float]:
    """Turn `allocated=1%` and `step=25%` into percent by metric. Raises `ValueError` for anything else."""
    percents = {}
    for text in texts:
        name, equals, percent = text.partition("=")
        if not (name and equals):
            raise ValueError(f"tolerance {text!r} is not METRIC=PERCENT, such as allocated=1% or step=25%")
        percents[name] = parse_percent(percent)
    return percents


def parse_oracles(texts: Sequence[str]) -> Oracles:
    """Turn `rows=512`, `item=0` and `nms=1000` into oracles. Raises `ValueError` for anything else."""
    values: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not (name and equals) or value != value:
            raise ValueError(f"oracle {text!r} is not NAME=NUMBER, such as rows=512, item=0 or nms=1000")
        values[name] = int(value) if value == value // 1 else value
    item, rows = values.pop(ITEM, None), values.pop(ROWS, None)
    return Oracles(rows=rows, item=item, by_name=values)  # type: ignore[arg-type]  # oracles check what is a count
