"""Runs a typer app as a command line: errors are sentences on stderr, and exit statuses say what happened."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from drystep.commands.exit_status import INTERRUPTED, OK, WRONG_COMMAND


def make_app(name: str, version: str, purpose: str, commands: Mapping[str, Callable[..., int]]) -> typer.Typer:
    """A command line of commands by name, with `--version`; `purpose` is the first sentence of its help."""
    app = typer.Typer(rich_markup_mode=None, help=purpose)
    for command_name, command in commands.items():
        app.command(command_name)(command)

    def print_version(wanted: bool) -> None:
        if wanted:
            print(f"{name} {version}")
            raise typer.Exit

    version_option = typer.Option(
        "--version", is_eager=True, callback=print_version, help="Print the version and exit."
    )

    @app.callback(help=purpose)
    def options(version: Annotated[bool, version_option] = False) -> None:
        """Options of the program itself."""

    return app


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


def _complain(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return WRONG_COMMAND
