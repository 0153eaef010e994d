"""Another answer is tried where an assumed one makes the program fail."""

import time
from collections.abc import Callable
from pathlib import PurePath
from typing import TypeVar

from drystep.errors import SimulationError
from drystep.values.reads import Reads
from drystep.values.sides import FIRST_SIDES, Question, Sides

MOST_TRIES = 8
"""Runs of a step, each with another assumption."""
MOST_SECONDS = 30.0
"""No other answer is tried after so long."""

Result = TypeVar("Result")


def run_with_tries(
    run: Callable[[Reads], Result], reads_of: Callable[[Sides], Reads], sides: Sides = FIRST_SIDES
) -> tuple[Result, Reads]:
    """Run a step until no assumption makes it fail: its result, and what it read.

    The latest assumption before a failure is the first to be changed. If the step then fails as before, that one is
    changed back, and the one before it is changed. Raises `SimulationError` with the first failure and the answers that
    were tried, if none helps.
    """
    deadline = time.monotonic() + MOST_SECONDS
    base, failure = sides, ""
    others: list[tuple[Question, int]] = []
    tried: list[str] = []
    first: SimulationError | None = None
    for _ in range(MOST_TRIES):
        reads = reads_of(sides)
        try:
            return run(reads), reads
        except SimulationError as error:
            if first is None:
                first = SimulationError(_with_last_answer(str(error), reads))
                first.__cause__ = error
            if str(error) != failure:  # the step came to another point, so the change is kept
                failure, base = str(error), sides
                others = _others(reads, sides)
        if not others or time.monotonic() > deadline:
            break
        question, number = others.pop(0)
        sides = Sides({**base.chosen, question: number}, base.of_rows)
        tried.append(f"{question[2]} at {PurePath(question[0]).name}:{question[1]}")
    assert first is not None
    if not tried:
        raise first
    places = ", ".join(dict.fromkeys(tried))
    raise SimulationError(f"{first}. {len(tried)} other answers were tried and failed too ({places})") from first


def _others(reads: Reads, sides: Sides) -> list[tuple[Question, int]]:
    """The other answers to what was assumed, those to the latest question first."""
    return [
        (question, number)
        for question, count in reversed(reads.assumed.items())
        for number in range(sides.chosen.get(question, 0) + 1, count)
    ]


def _with_last_answer(message: str, reads: Reads) -> str:
    """An error with the answer that came before it, which may be its cause."""
    return f"{message}; before that, {reads.last_given}" if reads.last_given else message
