"""A question about a step, answered by a child process."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drystep.commands.exit_status import FAILED
from drystep.commands.terminal import say, stderr
from drystep.fit.asked import AskedStep
from drystep.gpus.classes import Gpu
from drystep.zoo.spec import parse_spec

SESSION = "drystep.fit.session:FitSession"


class StepFailedError(Exception):
    """The step failed, and a message says why; the command ends with `FAILED`."""


def ask(question: str, step: AskedStep, gpus: Sequence[Gpu], time_limit_s: float, **arguments: Any) -> dict[str, Any]:
    """The answer of a session in a process of its own to one of its methods.

    Raises `ValueError` for what was wrong with the command, and `StepFailedError`.
    """
    file = parse_spec(step.spec).file
    opening = {"asked": step.to_fields(), "gpus": [asdict(card) for card in gpus]}
    folders = [] if file is None else [file.resolve().parent]
    with stderr.status(step.spec):
        answer = in_child(question, opening, arguments, folders, time_limit_s)
    if "wrong" in answer:
        raise ValueError(answer["wrong"])
    if "failed" in answer:
        raise StepFailedError(answer["failed"])
    return answer


def in_child(
    question: str,
    opening: Mapping[str, Any],
    arguments: Mapping[str, Any],
    folders: Sequence[Path],
    time_limit_s: float,
) -> dict[str, Any]:
    """Ask a child, which imports from the file's folder first, as Python does for a program that it runs."""
    from drystep.measure.failure import ChildError
    from drystep.measure.parent import Child

    try:
        with Child(SESSION, opening, time_limit_s, folders=folders) as child:
            return child.call(question, **arguments)
    except ChildError as error:
        return {"failed": str(error)}


def failed(error: StepFailedError) -> int:
    """Say that the step failed, and return the exit status."""
    say(f"error: {error}")
    return FAILED


def say_remarks(remarks: Sequence[str], warnings: Sequence[str]) -> None:
    """Print what a user might not expect of the step, and what is unusual about it."""
    for remark in remarks:
        say(f"note: {remark}")
    for warning in warnings:
        say(f"warning: {warning}")
