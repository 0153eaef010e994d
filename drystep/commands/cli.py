"""The command line `drystep COMMAND`, also `python -m drystep`. Commands import PyTorch only when they need it."""

from collections.abc import Sequence
from typing import NoReturn

from drystep import __version__
from drystep.commands.calibrate import calibrate
from drystep.commands.compare import compare
from drystep.commands.env import env
from drystep.commands.explain import explain
from drystep.commands.fit import fit
from drystep.commands.gpus import gpus
from drystep.commands.program.interruption import leave
from drystep.commands.program.run_app import make_app, run_app
from drystep.commands.solve import solve
from drystep.commands.validate import validate

app = make_app(
    "drystep",
    __version__,
    "Run a training step dry: does it fit a GPU, how much memory does it take, how long does it run?",
    {
        "fit": fit,
        "explain": explain,
        "solve": solve,
        "compare": compare,
        "gpus": gpus,
        "validate": validate,
        "calibrate": calibrate,
        "env": env,
    },
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: all went well; 1: the step failed; 2: the command was wrong; 3: a named card is too small; 130: interrupted.
    """
    return run_app(app, "drystep", arguments)


def program() -> NoReturn:
    """Run the command of this process's arguments, and end the process with its status."""
    leave(main())
