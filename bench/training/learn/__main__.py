"""Runs the study: `python -m bench.training.learn --out DIR`."""

import sys

from bench.training.learn.command import app
from drystep.commands.program.run_app import run_app

if __name__ == "__main__":
    sys.exit(run_app(app, "learn"))
