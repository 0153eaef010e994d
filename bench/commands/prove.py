"""`python -m bench prove`: all that waits for a GPU, on a machine that need have nothing but PyTorch and timm.

Imports nothing beyond them and the standard library; `bench/__main__.py` therefore asks for it by itself.
"""

import argparse
import inspect
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from drystep.bounds import shown
from drystep.commands.exit_status import FAILED, OK, WRONG_COMMAND
from drystep.commands.program.interruption import Interrupted, interruptible
from drystep.errors import OutputError
from drystep.files.whole import require_folder
from drystep.visible_text import one_line

if TYPE_CHECKING:
    from bench.proof.run import Outcome

MINUTES, OUT = "9", "bench-results/measured"
MOST_MINUTES = 24 * 60
NO_DEVICE = "no CUDA device: prove measures the GPU of the machine that it runs on"


def prove(minutes: str = MINUTES, out: str = OUT) -> int:
    """Measure all that waits for a GPU, what is worth most first, and stop after so many MINUTES.

    Peaks, times and fits of the paper's cases on this machine's first GPU, beside their simulation, the card's peaks,
    recordings of its allocator and the tests that need a GPU: each is stored in a folder of the card's name within
    the folder OUT as soon as it is done, with a summary. The same command with the same OUT goes on where it stopped.

    Exit status: 0 all that was tried was measured, 1 some item failed, 2 the command was wrong or there is no GPU.
    """
    limit_minutes, root = parse_minutes(minutes), Path(out)
    try:
        require_folder(root)
    except FileExistsError:
        raise ValueError(f"--out {one_line(out)} is a file: name a folder") from None
    except OSError as error:
        raise ValueError(f"cannot write to the folder {one_line(out)}: {error.strerror or error}") from error

    from bench.proof.clock import Clock

    clock = Clock(limit_minutes)  # what is imported counts

    import torch

    if not torch.cuda.is_available():
        raise ValueError(NO_DEVICE)
    from bench.proof.run import prove as run_proof

    outcome = run_proof(root, clock, _say)
    print(_ending(outcome), flush=True)
    return FAILED if outcome.failed else OK


def main(arguments: Sequence[str]) -> int:
    """Run the command with its own reading of options, and return its exit status."""
    try:
        with interruptible():
            options = _parser().parse_args(arguments)
            return prove(options.minutes, options.out)
    except ValueError as error:
        return _complain(error, WRONG_COMMAND)
    except (OutputError, OSError) as error:
        return _complain(error, FAILED)
    except Interrupted as error:
        children = sys.modules.get("drystep.measure.parent")
        if children is not None:
            children.close_all()
        return error.exit_status


def parse_minutes(text: str) -> float:
    """The limit as a number. Raises `ValueError` for what is none, or no time to wait for."""
    try:
        minutes = float(text)
    except ValueError:
        raise ValueError(f"--minutes must be a number of minutes, got {shown(text)}") from None
    if not math.isfinite(minutes) or not 0 < minutes <= MOST_MINUTES:
        raise ValueError(f"--minutes must be more than 0 and at most {MOST_MINUTES}, got {shown(text)}")
    return minutes


class _Parser(argparse.ArgumentParser):
    """Options; what is wrong with them is one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong."""
        raise ValueError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="bench prove", description=inspect.cleandoc(prove.__doc__ or ""), allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", default=MINUTES, help=f"limit of the whole run; default: {MINUTES}")
    parser.add_argument("--out", default=OUT, metavar="DIR", help=f"folder of all cards; default: {OUT}")
    return parser


def _ending(outcome: "Outcome") -> str:
    words = [f"{len(outcome.done)} items are done", f"{len(outcome.failed)} failed"]
    words += [f"{len(outcome.unreached)} were not reached"]
    words += [f"{outcome.not_simulated} cases are not simulated yet"] if outcome.not_simulated else []
    return f"{', '.join(words)}; the results are in {one_line(str(outcome.folder))}"


def _say(message: str) -> None:
    print(one_line(message), file=sys.stderr, flush=True)


def _complain(error: Exception, status: int) -> int:
    _say(f"error: {error}")
    return status
