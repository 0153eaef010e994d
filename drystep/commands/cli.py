"""The command line `drystep COMMAND`, also `python -m drystep`. Commands import PyTorch only when they need it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from drystep import __version__
from drystep.commands.calibrate import calibrate
from drystep.commands.env import env
from drystep.commands.fit import fit
from drystep.commands.gpus import gpus
from drystep.commands.run_app import print_version, run_app
from drystep.commands.validate import validate

app = typer.Typer(
    rich_markup_mode=None,
    help="Run a training step dry: does it fit a GPU, how much memory does it take, how long does it run?",
)
for command in (fit, gpus, validate, calibrate, env):
    app.command()(command)


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda wanted: print_version("drystep", __version__, wanted),
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """Options of the program itself."""


options.__doc__ = app.info.help


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: all went well; 1: the step failed; 2: the command was wrong; 3: a named card is too small; 130: interrupted.
    """
    return run_app(app, "drystep", arguments)
