"""What a really executed step read, and the same answers for a simulation of it."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from drystep.program.places import Place, running_place
from drystep.values.answers import ANSWERS
from drystep.values.oracle_lookup import Lookup, Stated, operator_name
from drystep.values.python_data import Handler, handlers

aten = torch.ops.aten
READ_WHOLE = "read whole"
"""Stands for the operators that copy a tensor to the host."""
Key = tuple[str, int, str]
"""File and line that ask, and the operator."""


@dataclass(frozen=True)
class Read:
    """One answer of a real run."""

    answer: Any
    """A number of rows, or the values that were read."""
    most_rows: int | None
    """The most rows that there could have been, if rows were asked for and they are bounded."""


@dataclass
class RecordedReads:
    """The answers of a real run, by step and place, in order."""

    steps: list[dict[Key, list[Read]]] = field(default_factory=lambda: [defaultdict(list)])
    """Those of the build, and of each step."""
    places: dict[Key, Place] = field(default_factory=dict)

    def begin_step(self) -> None:
        """Begin with the answers of another step."""
        self.steps.append(defaultdict(list))

    def note(self, func: str, answer: Any, most_rows: int | None) -> None:
        """Add an answer to the running step."""
        place = running_place()
        key: Key = (*place.key, func)
        self.places.setdefault(key, place)
        self.steps[-1][key].append(Read(answer, most_rows))

    def shares(self) -> Iterator[tuple[Place, str, int, int]]:
        """Of each place that asks for rows: the operator, the most rows that it got, and of how many these were."""
        for key, place in self.places.items():
            reads = [read for step in self.steps for read in step.get(key, ()) if read.most_rows]
            if reads:
                most = max(reads, key=lambda read: (read.answer / read.most_rows, read.answer))
                yield place, key[2], most.answer, most.most_rows or 0


class RecordingOperators:
    """Runs the operators of a real device, and records what they say of values."""

    def __init__(self) -> None:
        self.reads = RecordedReads()

    def __call__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Same as `func(*args, **kwargs)`."""
        result = func(*args, **kwargs)
        if func in ANSWERS and func not in (aten._to_copy.default, aten.copy_.default):
            self.reads.note(str(func), *_answer(func, args, result))
        return result

    def begin_step(self) -> None:
        """Record another step."""
        self.reads.begin_step()

    def handlers(self, device: torch.device) -> dict[Any, Handler]:
        """Handlers of calls that read values without an operator."""

        def read(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            self.reads.note(READ_WHOLE, args[0].detach().flatten().tolist(), None)
            return func(*args, **kwargs)

        return handlers(device) | {Tensor.tolist: read, Tensor.cpu: read}


def _answer(func: Any, args: tuple[Any, ...], result: Any) -> tuple[Any, int | None]:
    """What an operator on a real device says, and the most rows that it could return."""
    if not isinstance(result, Tensor | tuple):
        return result, None
    rows = result[0] if isinstance(result, tuple) else result
    if func is aten.unique_dim.default:
        return rows.shape[args[1]], args[0].shape[args[1]]
    bounded = func not in (aten.repeat_interleave.Tensor, aten.bincount.default)
    nms = operator_name(func) == "nms"
    return len(rows), (len(args[0]) if nms else args[0].numel()) if bounded else None


class ReplayedReads(Lookup):
    """Answers with what a real run of the same step read, in order."""

    def __init__(self, recorded: RecordedReads) -> None:
        self._steps = iter(recorded.steps)
        self._step: dict[Key, Iterator[Read]] = {}
        self.begin_step()

    def begin_step(self) -> None:
        """Answer with the reads of the next step."""
        step = next(self._steps, {})
        self._step = {key: iter(reads) for key, reads in step.items()}

    @property
    def unused(self) -> list[str]:
        """A recording need not be used up."""
        return []

    def rows(self, func: Any, place: Place) -> Stated | None:
        """The rows that the operator returned in the real run."""
        return self._next(str(func), place)

    def values(self, func: Any, place: Place, count: int) -> Stated | None:
        """The values that were read in the real run."""
        whole = func in (aten._to_copy.default, aten.copy_.default)
        return self._next(READ_WHOLE if whole else str(func), place)

    def passes(self, func: Any, place: Callable[[], Place]) -> None:
        """Leave out the answer to a question that was answered otherwise."""
        self.values(func, place(), 1)

    def _next(self, func: str, place: Place) -> Stated | None:
        read = next(self._step.get((*place.key, func), iter(())), None)
        return None if read is None else Stated("of a real run", read.answer)
