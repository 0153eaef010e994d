"""`drystep calibrate`: a block of GPU classes for the card at hand."""

from pathlib import Path
from typing import Annotated

import typer

from drystep.commands.exit_status import OK
from drystep.commands.terminal import say
from drystep.errors import OutputError
from drystep.files.whole import require_folder
from drystep.gpus.classes import add_gpu, class_name, require_name, require_new_gpu


def calibrate(
    name: Annotated[str | None, typer.Option(help="Name of the class; default: the device's own.")] = None,
    out: Annotated[Path | None, typer.Option(help="Append the block to this file, for --gpu-file.")] = None,
) -> int:
    """Measure the card at hand, and print the block that describes it in a file of GPU classes."""
    if name is not None:
        require_name(name)

    import torch

    from drystep.time.calibrate import measured_block

    if not torch.cuda.is_available():
        raise ValueError("no CUDA device: calibrate measures the card at hand; write a block by hand for another")
    device = torch.device("cuda", torch.cuda.current_device())
    label = torch.cuda.get_device_name(device)
    name = name or class_name(label)
    if out is not None:
        _require(out, name)
    say(f"measuring {label}, under two minutes")
    block = measured_block(device, name)
    if out is None:
        print(block, end="")
    else:
        try:
            add_gpu(out, name, block)
        except (OSError, ValueError) as error:
            print(block, end="")  # what was measured is not lost
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise OutputError(f"cannot write GPU classes to {out}: {reason}; the new one is on stdout") from error
        say(f"{out} has {name}: use it with --gpu-file {out} --gpu {name}")
    return OK


def _require(out: Path, name: str) -> None:
    """Raise `ValueError` if the class could not be added to the file."""
    try:
        require_folder(out.parent)
        require_new_gpu(out, name)
    except OSError as error:
        raise ValueError(f"cannot write GPU classes to {out}: {error.strerror or error}") from error
