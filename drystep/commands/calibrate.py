"""`drystep calibrate`: a block of GPU classes for the card at hand."""

import re
from pathlib import Path
from typing import Annotated

import typer

from drystep.commands.exit_status import OK
from drystep.commands.terminal import say
from drystep.gpus.classes import read_gpus
from drystep.units import MIB


def calibrate(
    name: Annotated[str | None, typer.Option(help="Name of the class; default: the device's own.")] = None,
    out: Annotated[Path | None, typer.Option(help="Append the block to this file, for --gpu-file.")] = None,
) -> int:
    """Measure the card at hand, and print the block that describes it in a file of GPU classes."""
    import torch

    from drystep.time.calibrate import measure_card, peaks_from, toml_block

    if not torch.cuda.is_available():
        raise ValueError("no CUDA device: calibrate measures the card at hand; write a block by hand for another")
    device = torch.device("cuda", torch.cuda.current_device())
    label = torch.cuda.get_device_name(device)
    name = name or re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    if out is not None and out.exists() and name in read_gpus(out):
        raise ValueError(f"{out} has a class {name} already: choose another --name")
    say(f"measuring {label}, under two minutes")
    card, peaks = peaks_from(measure_card(device))
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info(device)
    context_mib = max(0, (total - free - torch.cuda.memory_reserved(device)) // MIB)
    block = toml_block(name, label, total // MIB, context_mib, card, peaks)
    if out is None:
        print(block, end="")
    else:
        with out.open("a", encoding="utf-8") as file:
            file.write("\n" + block if file.tell() else block)
        say(f"{out} has {name}: use it with --gpu-file {out} --gpu {name}")
    return OK
