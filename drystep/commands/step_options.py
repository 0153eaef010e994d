"""Options that several commands about a training step share, and what is made of their texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from drystep.values.oracles import ITEM, ROWS, Oracles

Gpus = Annotated[list[str], typer.Option("--gpu", help="GPU class to judge; default: all. Repeatable.")]
GpuFiles = Annotated[list[Path], typer.Option("--gpu-file", help="TOML file with further GPU classes. Repeatable.")]
OracleTexts = Annotated[
    list[str],
    typer.Option(
        "--oracle",
        metavar="NAME=NUMBER",
        help="State a value that the step reads, such as rows=512 or item=0. Repeatable.",
    ),
]
TimeLimit = Annotated[
    float, typer.Option("--time-limit", metavar="SECONDS", help="Stop the process of a step after so many seconds.")
]
DEFAULT_TIME_LIMIT_S = 1800.0


def parse_oracles(texts: Sequence[str]) -> Oracles:
    """Turn `rows=512`, `item=0` and `nms=1000` into oracles. Raises `ValueError` for anything else."""
    values: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not (name and equals) or value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"oracle {text!r} is not NAME=NUMBER, such as rows=512, item=0 or nms=1000")
        values[name] = int(value) if value == value // 1 else value
    item, rows = values.pop(ITEM, None), values.pop(ROWS, None)
    return Oracles(rows=rows, item=item, by_name=values)  # type: ignore[arg-type]  # oracles check what is a count
