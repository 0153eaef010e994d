"""Lookup of the stated answer to a question."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from drystep.errors import SimulationError, counted
from drystep.program.places import Place
from drystep.values.oracles import ITEM, ROWS, Answer, Oracles, Share


class Stated(NamedTuple):
    """A stated answer, and the name under which it was found."""

    name: str
    answer: Any


class Lookup(Protocol):
    """Finds stated answers."""

    @property
    def unused(self) -> list[str]:
        """Names of statements that were never used."""

    def begin_step(self) -> None:
        """Begin with the questions of another step."""

    def rows(self, func: Any, place: Place) -> Stated | None:
        """The number or share of rows that was stated for an operator at a place."""

    def values(self, func: Any, place: Place, count: int) -> Stated | None:
        """The number, or the list of `count` numbers, that was stated for what the host reads at a place."""

    def passes(self, func: Any, place: Callable[[], Place]) -> None:
        """Note that a question was answered without looking for a statement."""


class OracleLookup(Lookup):
    """Finds the answers that a user stated."""

    def __init__(self, oracles: Oracles) -> None:
        self._oracles = oracles
        self._unused = set(oracles.by_name)
        self._asked: Counter[str] = Counter()

    @property
    def unused(self) -> list[str]:
        """Names of oracles that were never used."""
        return sorted(self._unused)

    def begin_step(self) -> None:
        """Answer the questions of each step from the first answer on, where several were stated."""
        self._asked.clear()

    def rows(self, func: Any, place: Place) -> Stated | None:
        """The number or share of rows that was stated for an operator at a place."""
        found = self._by_name(_names(func), place)
        if found is not None:
            return Stated(found[0], self._in_turn(*found))
        return None if self._oracles.rows is None else Stated(ROWS, self._oracles.rows)

    def values(self, func: Any, place: Place, count: int) -> Stated | None:
        """The number, or the list of `count` numbers, that was stated for what the host reads at a place."""
        found = self._by_name([ITEM, *_names(func)], place)
        if found is None:
            return None if self._oracles.item is None else Stated(ITEM, self._oracles.item)
        name, answer = found
        share = next((part for part in flattened(answer) if isinstance(part, Share)), None)
        if share is not None:
            raise SimulationError(
                f"oracle {name!r} states {share} of the rows for what is read as a number: state a number"
            )
        if count != 1 and isinstance(answer, list | tuple) and _numbers(answer) == count:
            return Stated(name, answer)
        answer = self._in_turn(name, answer)
        if isinstance(answer, list | tuple) and _numbers(answer) != count:
            raise SimulationError(
                f"oracle {name!r} states {counted(_numbers(answer), 'value')} for a tensor of {count}: "
                "state as many as it has, or one number for all of them"
            )
        return Stated(name, answer)

    def passes(self, func: Any, place: Callable[[], Place]) -> None:
        """Statements do not depend on what else was asked."""

    def _in_turn(self, name: str, answer: Answer) -> Answer:
        """Of several answers the one whose turn it is."""
        if not isinstance(answer, Sequence):
            return answer
        turn = self._asked[name]
        if turn >= len(answer):
            raise SimulationError(
                f"oracle {name!r} states {counted(len(answer), 'answer')}, and the step asks for one more: "
                "state an answer for each time, or a number for all"
            )
        self._asked[name] += 1
        return answer[turn]

    def _by_name(self, operator_names: Sequence[str], place: Place) -> tuple[str, Answer] | None:
        """The answer for a line, for the operator, or else for the innermost running function that has one."""
        by_name = self._oracles.by_name
        if not by_name:
            return None
        every = list(place.all_names())
        lines = [name for name in every if ":" in name]
        for name in (*lines, *operator_names, *every):
            answer = by_name.get(name)
            if answer is not None:
                self._unused.discard(name)
                return name, answer
        return None


def _numbers(answer: Any) -> int:
    """How many numbers a nested list has."""
    return sum(map(_numbers, answer)) if isinstance(answer, list | tuple) else 1


def flattened(answer: Any) -> Iterator[float]:
    """The numbers of a nested list, in order."""
    if isinstance(answer, list | tuple):
        for part in answer:
            yield from flattened(part)
    else:
        yield answer


def operator_name(func: Any) -> str:
    """Name of an operator without its overload, as a statement can use it, such as `nonzero` or `nms`."""
    return _names(func)[3]


def _names(func: Any) -> list[str]:
    """Names of an operator, such as `aten._unique2.default`, `aten._unique2`, `_unique2` and `unique`."""
    packet = str(func).rpartition(".")[0]
    name = packet.rpartition(".")[2]
    return [str(func), packet, name, name.strip("_0123456789")]
