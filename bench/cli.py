"""The command line: `python -m bench COMMAND`, also installed as `e3va-bench`."""

import sys
from collections.abc import Sequence

import typer

from bench.commands.compare import compare
from bench.commands.fit import fit
from bench.commands.names import list_names
from bench.commands.outcome import OK, WRONG_COMMAND
from bench.commands.run import run
from bench.commands.tables import report, tables
from bench.explain import explain
from bench.validation.command import validate

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="What fine-tuning a vision model costs in GPU memory and time, and whether it fits a card.",
)
for command in (run, tables, report, fit, explain, compare, validate):
    app.command()(command)
app.command("list")(list_names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 all measured, 1 some case failed, 2 the command was wrong."""
    command = typer.main.get_command(app)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return command.main(arguments or ["--help"], prog_name="bench", standalone_mode=False) or OK
    except typer.TyperException as error:
        return _complain(error.format_message())
    except ValueError as error:
        return _complain(str(error))
    except typer.Abort:
        return 130


def _complain(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return WRONG_COMMAND
