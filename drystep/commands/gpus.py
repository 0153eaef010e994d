"""`drystep gpus`: the classes of GPUs that are known."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from drystep.commands.exit_status import OK
from drystep.commands.terminal import mib_cell, plain_table, print_paragraph, stdout
from drystep.gpus.classes import Gpu, read_gpus, select_gpus
from drystep.gpus.names import ALL
from drystep.units import ABSENT

MARK = "*"
"""Beside the names of classes that are judged where none is named."""
LEGEND = (
    f"{MARK} judged where --gpu names none. Peaks are dense, with sums in float32. --gpu takes these names, a card "
    "without its memory (rtx-4090, a100 for both), a memory for all cards that have it (24gb), and all."
)


def gpus(
    gpu_files: Annotated[
        list[Path], typer.Option("--gpu-file", help="TOML file with further GPU classes. Repeatable.")
    ] = [],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON lines, one per GPU class, with the sources of its numbers.")
    ] = False,
) -> int:
    """List the GPU classes: the memory that each leaves for tensors, and its peaks."""
    classes = select_gpus([ALL], gpu_files)
    if as_json:
        for gpu in classes:
            print(json.dumps(_fields(gpu)))
    else:
        _show(classes)
    return OK


def _fields(gpu: Gpu) -> dict[str, object]:
    """The fields of a class as in its file, and what they leave for tensors."""
    fields = asdict(gpu)
    peaks: dict[str, object] = fields.pop("peaks")
    usable = {
        "usable_bytes": gpu.usable_bytes, "usable_with_eager_kernels_bytes": gpu.usable_with_eager_kernels_bytes,
    }  # fmt: skip
    return {**fields, **usable, **peaks}


def _show(classes: Sequence[Gpu]) -> None:
    table = plain_table(["name", "", "usable MiB", "fp32 TFLOP/s", "fp16", "bf16", "GB/s"], left=2)
    table.add_column()  # labels of files of others; ours say what the names say
    ours = read_gpus()
    for gpu in classes:
        peaks = (gpu.peaks.fp32_tflops, gpu.peaks.fp16_tflops, gpu.peaks.bf16_tflops, gpu.peaks.bandwidth_gbs)
        label = "" if ours.get(gpu.name) == gpu else gpu.label
        cells = [ABSENT if peak is None else f"{peak:g}" for peak in peaks]
        table.add_row(gpu.name, "" if gpu.on_request else MARK, mib_cell(gpu.usable_bytes), *cells, label)
    stdout.print(table)
    print_paragraph(LEGEND)
