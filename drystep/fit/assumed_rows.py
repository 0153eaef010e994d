"""How much a peak hangs on assumed numbers of rows: its least and most, and the few questions that decide it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from drystep.errors import SimulationError
from drystep.simulation import Simulation
from drystep.values.assumptions import Assumption
from drystep.values.sides import NO_ROWS, ONE_ROW, Question, Sides

MOST_QUESTIONS = 6
"""Questions whose part in the peak is simulated, those with the most rows first."""
MOST_SECONDS = 60.0
"""No other question is simulated after so long."""

Simulate = Callable[[Sides], Simulation]
"""Simulates the same step with other assumed answers."""


@dataclass(frozen=True)
class Hinge:
    """A question about rows, and what the peak would be without these rows."""

    assumption: Assumption
    peak_without_bytes: int
    """Allocated peak if this question alone were answered by no row, or by one where the step needs one."""


@dataclass(frozen=True)
class AssumedRows:
    """The allocated peak over all that may be answered to questions about rows."""

    least_bytes: int | None
    """With no rows anywhere, or one where the step needs one; None if it can be simulated with neither."""
    most_bytes: int
    """With all rows."""
    hinges: tuple[Hinge, ...] = ()
    """The questions on which it hangs, the one that matters most first; empty if that was not asked."""


def assumed_rows(simulation: Simulation, again: Simulate, with_hinges: bool = False) -> AssumedRows | None:
    """Simulate the extremes of assumed rows; None if no rows were assumed.

    `with_hinges` also simulates the step without the rows of each question in turn, for the questions with the most
    rows.
    """
    questions = [read for read in simulation.assumptions if read.decides_rows and read.most_rows]
    if not questions:
        return None
    most_bytes = simulation.peak_allocated_bytes
    least_bytes = _peak_without(again, [Sides(of_rows=number) for number in (NO_ROWS, ONE_ROW)])
    hinges = []
    if with_hinges:
        deadline = time.monotonic() + MOST_SECONDS
        questions.sort(key=lambda read: -(read.most_rows or 0))
        for read in questions[:MOST_QUESTIONS]:
            if time.monotonic() > deadline:
                break
            without_bytes = _peak_without(again, _without(read.question))
            if without_bytes is not None and without_bytes < most_bytes:
                hinges.append(Hinge(read, without_bytes))
        hinges.sort(key=lambda hinge: hinge.peak_without_bytes)
    return AssumedRows(least_bytes, most_bytes, tuple(hinges))


def _without(question: Question) -> list[Sides]:
    return [Sides({question: number}) for number in (NO_ROWS, ONE_ROW)]


def _peak_without(again: Simulate, choices: list[Sides]) -> int | None:
    """Peak with the first of some answers with which the step runs through."""
    for sides in choices:
        try:
            return again(sides).peak_allocated_bytes
        except SimulationError:
            continue
    return None
