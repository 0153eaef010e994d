"""Search for the largest size that fits each card, with few simulations.

A step is simulated at three sizes, and the traces of all others are made of these (`ScaledTraces`). The answers of the
search are then checked: the largest of all cards and the size above it are simulated, and so are the smallest one and
the size above it; where the cards have no more than three different answers, all of them are. Each allocation of these
simulations must be as it was made, and so every one of the checked answers is that of real simulations. Otherwise what
was simulated joins the three sizes, and the search begins again; or else every size that is tried is simulated.
"""

import functools
from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

from drystep.batches.growth import Size
from drystep.batches.largest import Attempt, Point, crossing, largest
from drystep.batches.scaled import ScaledTraces
from drystep.cuda.rules import Rules
from drystep.fit.simulations import StepSimulations
from drystep.fit.sizes import StepSize
from drystep.gpus.classes import Gpu
from drystep.memory.choices import Choices

ROUNDS = 4
"""How often the search begins again with more simulated sizes."""
ALL_CHECKED = 3
"""Number of different answers of which every one is checked."""


class Row(Protocol):
    """Sizes in order, numbered from 1."""

    @property
    def limit(self) -> int:
        """Number of the last."""

    @property
    def start(self) -> int:
        """Number of the one that is asked for."""

    def step_size(self, number: int) -> StepSize:
        """What to build a step with."""

    def size(self, number: int) -> Size:
        """What polynomials are over."""

    def load(self, number: int) -> float:
        """What memory grows with."""


class NotScaledError(ValueError):
    """A step whose traces cannot be made of those of other sizes; says why."""


def largest_simulated(simulations: StepSimulations, gpu: Gpu, row: Row) -> int:
    """The number of the largest size that fits a card, 0 for none. Each attempt is simulated."""
    return largest(
        lambda number: simulations.attempt(gpu, row.step_size(number)),
        row.start,
        row.limit,
        simulations.usable_bytes(gpu),
        row.load,
    )


def largest_scaled(simulations: StepSimulations, gpus: Sequence[Gpu], row: Row) -> dict[str, int]:
    """The same for each of several cards, from traces that are made of few simulations.

    Raises `NotScaledError` where they cannot be, and `SimulationError`.
    """
    found: dict[str, int] = {}
    for source in dict.fromkeys(simulations.source(gpu) for gpu in gpus):
        sharing = [gpu for gpu in gpus if simulations.source(gpu) == source]
        found |= _of_source(simulations, sharing, row, source)
    return found


def _of_source(simulations: StepSimulations, gpus: Sequence[Gpu], row: Row, source: Rules) -> dict[str, int]:
    simulated = {number: simulations.recorded(row.step_size(number), source) for number in first_numbers(row)}
    for _ in range(ROUNDS):
        try:
            scaled = ScaledTraces({row.size(number): trace for number, trace in simulated.items()}, source)
            search = _Search(simulations, row, scaled, source)
            answers = {gpu.name: search.largest(gpu) for gpu in gpus}
        except ValueError as error:
            raise NotScaledError(str(error)) from error
        for number in numbers_to_check(sorted(set(answers.values())), row.limit):
            trace = simulations.recorded(row.step_size(number), source)
            if not scaled.agrees(row.size(number), trace):
                simulated[number] = trace
                break
        else:
            return answers
    raise NotScaledError("what the step allocates does not grow as a polynomial of its size")


def first_numbers(row: Row) -> list[int]:
    """Three sizes: the one that is asked for, and two larger ones where there are, which have no common factor.

    Not the first of the row: a dimension of length 1 lets a step do less. Raises `NotScaledError` for a row that is too
    short.
    """
    start = max(2, row.start)
    for numbers in ((start, 2 * start + 1, 4 * start + 3), (start, start // 2 + 1, start // 4 + 2)):
        if len(set(numbers)) == 3 and max(numbers) <= row.limit:
            return list(numbers)
    raise NotScaledError("there are too few sizes")


def numbers_to_check(answers: Sequence[int], limit: int) -> list[int]:
    """Of ascending answers, those to check and the next sizes, the largest first.

    Number 1 is always simulated.
    """
    ends = answers if len(answers) <= ALL_CHECKED else (answers[0], answers[-1])
    return sorted({n for end in ends for n in (end, end + 1) if 1 < n <= limit}, reverse=True)


class _Search:
    """Attempts with scaled traces."""

    def __init__(self, simulations: StepSimulations, row: Row, scaled: ScaledTraces, source: Rules) -> None:
        self._simulations, self._row, self._scaled, self._source = simulations, row, scaled, source
        self._choices: dict[tuple[int, int], Choices] = {}
        self._points: dict[int, dict[float, int]] = {}  # load -> reserved bytes, by what cuBLAS's handles take

    def largest(self, gpu: Gpu) -> int:
        """The number of the largest size that fits a card."""
        row, usable_bytes = self._row, self._simulations.usable_bytes(gpu)
        attempt = functools.partial(self._attempt, gpu)
        for number in first_numbers(row)[:2]:
            attempt(number)
        one, other = self._nearest(gpu, usable_bytes)
        aim = crossing((one, other), usable_bytes)
        start = max(1, bisect_right(range(1, row.limit + 1), aim, key=row.load))
        known = one if one[0] != row.load(start) else other
        return largest(attempt, start, row.limit, usable_bytes, row.load, known)

    def _nearest(self, gpu: Gpu, usable_bytes: int) -> tuple[Point, Point]:
        """The two attempts of cards with such handles that came nearest to so many bytes."""
        points = self._points[self._simulations.handle_bytes(gpu)].items()
        one, other, *_ = sorted(points, key=lambda point: abs(point[1] - usable_bytes))
        return one, other

    def _attempt(self, gpu: Gpu, number: int) -> Attempt:
        if number == 1:
            return self._simulations.attempt(gpu, self._row.step_size(1))
        key = (number, self._simulations.handle_bytes(gpu))
        if key not in self._choices:
            trace = self._simulations.with_own_handles(gpu, self._scaled.at(self._row.size(number)), self._source)
            self._choices[key] = self._simulations.choices_of(trace)
        attempt = self._simulations.attempt_of(gpu, self._choices[key])
        self._points.setdefault(key[1], {})[self._row.load(number)] = attempt.reserved_bytes
        return attempt
