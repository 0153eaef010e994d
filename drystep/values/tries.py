"""Another answer is tried where an assumed one makes the program fail."""

import time
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, NamedTuple, TypeVar

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
    others: list[_Other] = []
    tried: list[_Other] = []
    first: SimulationError | None = None
    for _ in range(MOST_TRIES):
        reads = reads_of(sides)
        try:
            return run(reads), reads
        except SimulationError as error:
            if first is None:
                first = SimulationError(_with_last_answer(str(error), reads))
                first.__cause__ = error
            else:
                tried.append(others.pop(0))
            if str(error) != failure:  # the step came to another point, so the change is kept
                failure, base = str(error), sides
                others = _others(reads, sides)
        if not others or time.monotonic() > deadline:
            break
        sides = Sides({**base.chosen, others[0].question: others[0].number}, base.of_rows)
    assert first is not None
    if not tried:
        raise first
    raise SimulationError(f"{first}; {_tries_text(tried)}") from first


class _Other(NamedTuple):
    """Another answer to what was assumed."""

    question: Question
    asked: str
    number: int
    answer: Any


def _others(reads: Reads, sides: Sides) -> list[_Other]:
    """The other answers to what was assumed, those to the latest question first."""
    return [
        _Other(question, choice.asked, number, choice.answers[number])
        for question, choice in reversed(reads.assumed.items())
        for number in range(sides.chosen.get(question, 0) + 1, len(choice.answers))
    ]


def _tries_text(tried: list[_Other]) -> str:
    """The other answers that failed too, by question."""
    answers: dict[str, list[str]] = {}
    for other in tried:
        file, line, _ = other.question
        answers.setdefault(f"{other.asked} at {PurePath(file).name}:{line}", []).append(str(other.answer))
    given = "; ".join(f"{question} = {' and '.join(dict.fromkeys(those))}" for question, those in answers.items())
    count = "1 other answer was" if len(tried) == 1 else f"{len(tried)} other answers were"
    return f"{count} tried and failed too ({given})"


def _with_last_answer(message: str, reads: Reads) -> str:
    """An error with the answer that came before it, which may be its cause."""
    return f"{message}; before that, {reads.last_given}" if reads.last_given else message
