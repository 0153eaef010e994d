"""`python -m bench make-data`: a small made-up data set in a real format."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from bench.commands.case_options import parse_size
from bench.training.data.made.classes import TASKS
from bench.training.data.made.settings import MadeSettings
from bench.training.data.made.styles import STYLES
from drystep.commands.exit_status import OK
from drystep.commands.terminal import stdout
from drystep.errors import counted


def make_data(
    task: Annotated[str, typer.Option(help=f"Whose format it has, one of {', '.join(TASKS)}.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write it into, which is new or empty.")],
    train: Annotated[int, typer.Option(metavar="N", help="Number of training images.")] = MadeSettings.train,
    val: Annotated[int, typer.Option(metavar="N", help="Number of validation images.")] = MadeSettings.val,
    size: Annotated[
        str, typer.Option(metavar="HxW", help="Size of the images in pixels; every third one is turned.")
    ] = "{}x{}".format(*MadeSettings.image_size),
    seed: Annotated[int, typer.Option(metavar="S", help="Beginning of the random numbers.")] = MadeSettings.seed,
    style: Annotated[
        str, typer.Option(metavar="NAME", help=f"Statistics of the textures, one of {', '.join(STYLES)}.")
    ] = MadeSettings.style,
) -> int:
    """Write a small made-up data set of textured shapes in the format of VOC 07+12, COCO 2017 or ADE20K.

    It is for trying training and evaluation where no real data set is at hand. The same options give the same bytes.
    Nothing that exists is overwritten.
    """
    settings = MadeSettings(task=task, train=train, val=val, image_size=parse_size(size), seed=seed, style=style)

    from bench.training.data.made.make import write_set

    made = write_set(settings, out)
    for part, images in made.numbers.images.items():
        objects = made.numbers.objects[part]
        stdout.print(f"{part}: {counted(images, 'image')}, {counted(objects, 'object')}", soft_wrap=True)
    stdout.print(f"The made-up set is in {out}. Its classes are {', '.join(made.classes)}.", soft_wrap=True)
    stdout.print("To train on it and evaluate on its validation images:", soft_wrap=True)
    stdout.print(f"  {training_command(task, out)}", soft_wrap=True)
    return OK


def training_command(task: str, folder: Path) -> str:
    """The command line that trains the smallest Swin on a made-up set."""
    data = shlex.quote(str(folder))
    return f"python -m bench train --task {task} --data {data} --method full --backbone swin_nano --out runs"
