"""A question about a step, answered by a child process."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drystep.commands.exit_status import FAILED
from drystep.commands.terminal import say, stderr
from drystep.fit.asked import AskedStep
from drystep.gpus.classes import Gpu
from drystep.zoo.spec import parse_spec

SESSION = "drystep.fit.session:FitSession"


class StepFailed(Exception):
    """The step failed, and a message says why; the command ends with `FAILED`."""


def ask(question: str, step: AskedStep, gpus: Sequence[Gpu], time_limit_s: float, **arguments: Any) -> dict[str, Any]:
    """The answer of a session in a child, which imports from the file's folder first, as Python does for a program.

    Raises `ValueError` for what was wrong with the command, and `StepFailed`.
    """
    from drystep.measure.failure import ChildError
    from drystep.measure.parent import Child

    file = parse_spec(step.spec).file
    folder = Path.cwd() if file is None else file.resolve().parent
    opening = {"asked": step.to_fields(), "gpus": [asdict(card) for card in gpus]}
    with stderr.status(step.spec):
        try:
            with Child(SESSION, opening, time_limit_s, folders=[] if file is None else [folder]) as child:
                answer = child.call(question, **arguments)
        except ChildError as error:
            raise StepFailed(str(error)) from error
    if "wrong" in answer:
        raise ValueError(answer["wrong"])
    if "failed" in answer:
        raise StepFailed(answer["failed"])
    return answer


def failed(error: StepFailed) -> int:
    """Say that the step failed, and return the exit status."""
    say(f"error: {error}")
    return FAILED


def say_remarks(remarks: Sequence[str], warnings: Sequence[str]) -> None:
    """Print what a user might not expect of the step, and what is unusual about it."""
    for remark in remarks:
        say(f"note: {remark}")
    for warning in warnings:
        say(f"warning: {warning}")
