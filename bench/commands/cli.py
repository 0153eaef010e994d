"""The command line `python -m bench COMMAND`. Commands import PyTorch only when they need it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from bench.commands.compare import compare
from bench.commands.explain import explain
from bench.commands.fit import fit
from bench.commands.names import list_names
from bench.commands.run import run
from bench.commands.tables import report, tables
from bench.commands.validate import validate
from drystep import __version__
from drystep.commands.run_app import print_version, run_app

app = typer.Typer(
    rich_markup_mode=None,
    help="Measure or simulate what fine-tuning a vision model costs in GPU memory and time, and what fits a card.",
)
for command in (run, tables, report, fit, explain, compare, validate):
    app.command()(command)
app.command("list")(list_names)


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda wanted: print_version("bench of drystep", __version__, wanted),
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """Options of the program itself."""


options.__doc__ = app.info.help


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: all measured, and running out of memory is a result; 1: some case failed; 2: the command was wrong; 130:
    interrupted.
    """
    return run_app(app, "bench", arguments)
