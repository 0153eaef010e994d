"""Runs a typer app as a command line: errors are sentences on stderr, and exit statuses say what happened."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from drystep.commands.exit_status import FAILED, OK, WRONG_COMMAND
from drystep.commands.program.interruption import Interrupted, interruptible
from drystep.commands.terminal import say
from drystep.errors import OutputError


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

    A wrong command line, and a `ValueError` or `OutputError` of a command, are one line on stderr. A signal that asks
    the command to end (Ctrl-C, SIGTERM, SIGHUP) ends its child processes too; the status is 128 and its number.
    """
    command = typer.main.get_command(app)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with interruptible():
            return command.main(arguments or ["--help"], prog_name=name, standalone_mode=False) or OK
    except typer.TyperException as error:
        return _complain(error.format_message(), WRONG_COMMAND)
    except ValueError as error:
        return _complain(str(error), WRONG_COMMAND)
    except OutputError as error:
        return _complain(str(error), FAILED)
    except OSError as error:  # whatever the system refuses that no command has foreseen
        return _complain(f"{error.strerror}: {error.filename}" if error.filename else str(error), FAILED)
    except Interrupted as error:
        _end_children()
        return error.exit_status


def _complain(message: str, status: int) -> int:
    say(f"error: {message}")
    return status


def _end_children() -> None:
    """End the child processes, if any were started."""
    children = sys.modules.get("drystep.measure.parent")
    if children is not None:
        children.close_all()
