"""Options that several commands about a training step share, and what is made of their texts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from drystep.bounds import is_finite, require_time_limit, shown
from drystep.cuda.rules import PROFILES, VERSIONS
from drystep.values.oracles import ITEM, ROWS, Answer, Oracles, Share

Gpus = Annotated[
    list[str],
    typer.Option(
        "--gpu",
        help="GPU class to judge, or a group: 24gb, a100, all. Default: those that drystep gpus marks. Repeatable.",
    ),
]
GpuFiles = Annotated[list[Path], typer.Option("--gpu-file", help="TOML file with further GPU classes. Repeatable.")]
OracleTexts = Annotated[
    list[str],
    typer.Option(
        "--oracle",
        metavar="NAME=ANSWER",
        help="State a value that the step reads, such as rows=512, item=0, nms=50% or roi_heads.py:808=512,128. Names "
        "are those of operators, functions and lines, which --assumptions prints. Repeatable.",
    ),
]
Profile = Annotated[
    str, typer.Option(help=f"Preset of the rules by which PyTorch allocates, one of {', '.join(PROFILES)}.")
]
TorchVersion = Annotated[
    str | None,
    typer.Option("--torch", metavar="VERSION", help=f"PyTorch whose rules count, {VERSIONS[0]} to {VERSIONS[-1]}."),
]
Ddp = Annotated[bool | None, typer.Option("--ddp/--no-ddp", help="Whether DistributedDataParallel wraps the model.")]
CudnnBenchmark = Annotated[
    bool | None,
    typer.Option("--cudnn-benchmark/--no-cudnn-benchmark", help="Whether cuDNN chooses its kernels by trial."),
]
AllocConf = Annotated[
    str | None,
    typer.Option("--alloc-conf", metavar="SETTINGS", help="Settings of the allocator, as in PYTORCH_CUDA_ALLOC_CONF."),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Fail where figures may not be those of the real step: parameters without a gradient, compiled models, "
        "autocast for another device, modules that the step does not refer to.",
    ),
]
DEFAULT_TIME_LIMIT_S = 1800.0


def _within_limits(seconds: float) -> float:
    """Check a time limit while the command line is read. Raises typer's error for one that no clock can wait for."""
    try:
        return require_time_limit(seconds)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


TimeLimit = Annotated[
    float,
    typer.Option(
        "--time-limit",
        metavar="SECONDS",
        callback=_within_limits,
        help="Stop the process of a step after so many seconds, at most 31 days.",
    ),
]


def parse_oracles(texts: Sequence[str]) -> Oracles:
    """Turn `rows=512`, `nms=50%`, `loss=512,128` and `grid_thw=[[1,16,16]]` into oracles.

    Raises `ValueError` for anything else.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, answer = text.rpartition("=")
        value = _answer(answer)
        if not (name and equals) or value is None:
            raise ValueError(
                f"oracle {shown(text)} is not NAME=NUMBER, such as rows=512 or item=0; a share of the rows is written "
                "as nms=50%, several answers as loss=512,128, and a list of values as grid_thw=[1,16,16]"
            )
        if name in values:
            raise ValueError(f"oracle {shown(name)} is stated twice: write several answers as NAME=512,128")
        values[name] = value
    rows = values.pop(ROWS, None)
    item = None if isinstance(values.get(ITEM), list) else values.pop(ITEM, None)  # a list answers by name, in turn
    return Oracles(rows=rows, item=item, by_name=values)


def _answer(text: str) -> "Answer | None":
    """A number, share or list; None for a text that is none of these."""
    if text.startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None
    if "," in text:
        parts = [_answer(part) for part in text.split(",")]
        return None if None in parts else [part for part in parts if part is not None]
    if text.endswith("%"):
        percent = _number(text[:-1])
        return None if percent is None else Share(percent / 100)
    number = _number(text)
    return int(number) if number is not None and number == number // 1 else number


def _number(text: str) -> float | None:
    """A number, None for text that is none or whose number is not finite."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if is_finite(value) else None
