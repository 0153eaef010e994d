"""`drystep gpus`: the classes of GPUs that are known."""

from pathlib import Path
from typing import Annotated

import typer

from drystep.commands.exit_status import OK
from drystep.commands.terminal import mib_cell, plain_table, stdout
from drystep.gpus.classes import select_gpus
from drystep.units import ABSENT


def gpus(
    gpu_files: Annotated[
        list[Path], typer.Option("--gpu-file", help="TOML file with further GPU classes. Repeatable.")
    ] = [],
) -> int:
    """List the GPU classes: the memory that each leaves for tensors, and its peaks."""
    table = plain_table(["name", "card", "usable MiB", "fp32 TFLOP/s", "fp16", "bf16", "GB/s"], left=2)
    for gpu in select_gpus((), gpu_files):
        peaks = (gpu.peaks.fp32_tflops, gpu.peaks.fp16_tflops, gpu.peaks.bf16_tflops, gpu.peaks.bandwidth_gbs)
        cells = [ABSENT if peak is None else f"{peak:g}" for peak in peaks]
        table.add_row(gpu.name, gpu.label, mib_cell(gpu.usable_bytes), *cells)
    stdout.print(table)
    return OK
