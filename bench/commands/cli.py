"""The command line `python -m bench COMMAND`. Commands import PyTorch only when they need it."""

import sys
from collections.abc import Sequence

from bench.commands.compare import compare
from bench.commands.explain import explain
from bench.commands.fit import fit
from bench.commands.names import list_names
from bench.commands.prove import prove
from bench.commands.run import run
from bench.commands.tables import report, tables
from bench.commands.training.evaluate import evaluate
from bench.commands.training.learn import learn
from bench.commands.training.make_data import make_data
from bench.commands.training.train import train
from bench.commands.training.weights import naming_weights
from bench.commands.validate import validate
from drystep import __version__
from drystep.commands.program.run_app import make_app, run_app

app = make_app(
    "bench of drystep",
    __version__,
    "Measure or simulate what fine-tuning a vision model costs in GPU memory and time, and what fits a card.",
    {
        "run": run,
        "tables": tables,
        "report": report,
        "fit": fit,
        "explain": explain,
        "compare": compare,
        "validate": validate,
        "prove": prove,
        "train": train,
        "evaluate": evaluate,
        "make-data": make_data,
        "learn": learn,
        "list": list_names,
    },
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: all measured, and running out of memory is a result; 1: some case failed; 2: the command was wrong; 130:
    interrupted.
    """
    return run_app(app, "bench", naming_weights(sys.argv[1:] if arguments is None else arguments))
