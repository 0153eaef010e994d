"""Runs a typer app as a command line: errors are sentences on stderr, and exit statuses say what happened."""

import sys
from collections.abc import Sequence

import typer

from drystep.commands.exit_status import INTERRUPTED, OK, WRONG_COMMAND


def run_app(app: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command of the app and return its exit status; without arguments, print the help.

    A wrong command line, and a `ValueError` of a command, are one line on stderr.
    """
    command = typer.main.get_command(app)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return command.main(arguments or ["--help"], prog_name=name, standalone_mode=False) or OK
    except typer.TyperException as error:
        return _complain(error.format_message())
    except ValueError as error:
        return _complain(str(error))
    except typer.Abort:
        return INTERRUPTED


def print_version(distribution: str, version: str, wanted: bool) -> None:
    """Print the version and leave, if that is wanted: the callback of `--version`."""
    if wanted:
        print(f"{distribution} {version}")
        raise typer.Exit


def _complain(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return WRONG_COMMAND
