"""Traces of a step at sizes at which it was not run, made of traces at sizes at which it was.

Nearly every step does the same at every batch size, and each of its storages grows as a polynomial of the size. The
workspaces of libraries do not: their rules are asked again, with arguments that were scaled in the same way.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drystep.batches.arguments import requested, returned_bytes
from drystep.batches.growth import Growth, Size
from drystep.batches.plans import Plan, kind_of
from drystep.cuda.rules import Rules
from drystep.trace.trace import Allocation, Trace

Answer = TypeVar("Answer")


class ScaledTraces:
    """The traces of one step at any size, as far as it is known to do the same at each."""

    def __init__(self, recorded: Mapping[Size, Trace], rules: Rules) -> None:
        """Take traces that were recorded under such rules. Raises `ValueError` where they do not do the same."""
        plans = [Plan.of(trace) for trace in recorded.values()]
        if any(plan.parts != plans[0].parts or plan.kinds != plans[0].kinds for plan in plans):
            raise ValueError("the step does not allocate and free in the same order at every size")
        self._first = next(iter(recorded.values()))
        if any(trace.operators != self._first.operators for trace in recorded.values()):
            raise ValueError("the step does not run the same operators at every size")
        self._plan, self._growth = plans[0], Growth(list(recorded))
        self._bytes = list(zip(*(plan.sizes_bytes for plan in plans), strict=True))
        self._numbers = [list(zip(*each, strict=True)) for each in zip(*(p.numbers for p in plans), strict=True)]
        self._returned = functools.cache(returned_bytes)
        self._requested = functools.cache(functools.partial(requested, rules))
        for size, trace in recorded.items():
            if not self.agrees(size, trace):
                raise ValueError("what the step allocates does not grow as a polynomial of its size")

    def agrees(self, size: Size, recorded: Trace) -> bool:
        """Whether the trace made for a size takes the same memory as the recorded one, allocation by allocation."""
        try:
            return same_memory(self.at(size), recorded)
        except ValueError:
            return False

    def at(self, size: Size) -> Trace:
        """Make the trace at a size, without work and shapes. Raises `ValueError` where a number would not be whole."""
        sizes_bytes = self._sizes_bytes(size)
        trace = Trace(
            operators=self._first.operators,
            first_operators=self._first.first_operators,
            steady_steps=self._first.steady_steps,
        )
        placed: dict[int, int] = {}  # allocation in the plan -> in the trace
        for part in self._plan.parts:
            if isinstance(part, tuple):
                index, born, operator = part
                if born:
                    placed[index] = len(trace.allocations)
                    trace.allocations.append(self._plan.allocation(index, sizes_bytes[index]))
                trace.events.append((placed[index], born, operator))
            elif isinstance(part, int):
                self._request(trace, part, size)
            else:
                trace.iteration_starts.append(len(trace.events))
        return trace

    def _sizes_bytes(self, size: Size) -> list[int]:
        """Of all allocations of the plan."""
        sizes_bytes = [self._growth.at(size, known) for known in self._bytes]
        for number, allocations in self._plan.results.items():
            request, numbers = self._plan.requests[number], self._arguments(number, size)
            found = _answer(self._returned, request.call, request.arguments, numbers)
            if len(found) != len(allocations):
                raise ValueError(f"{request.call} returns {len(found)} storages, not {len(allocations)}")
            for index, size_bytes in zip(allocations, found, strict=True):
                sizes_bytes[index] = size_bytes
        if min(sizes_bytes, default=1) <= 0:
            raise ValueError("an allocation would have no bytes")
        return sizes_bytes

    def _arguments(self, number: int, size: Size) -> tuple[int, ...]:
        """The numbers in the arguments of a call."""
        return tuple(self._growth.at(size, known) for known in self._numbers[number])

    def _request(self, trace: Trace, number: int, size: Size) -> None:
        """Add the workspaces of a call."""
        request, numbers = self._plan.requests[number], self._arguments(number, size)
        for workspace in _answer(self._requested, request.call, request.arguments, numbers, request.in_backward):
            index = len(trace.allocations)
            trace.allocations.append(Allocation(workspace.size_bytes, request.operator, "workspace", workspace))
            trace.events.append((index, True, request.operator))
            if not workspace.kept:
                trace.events.append((index, False, request.operator))


def same_memory(one: Trace, other: Trace) -> bool:
    """Whether two traces take the same memory at the same operators, allocation by allocation."""
    return (
        one.events == other.events
        and one.iteration_starts == other.iteration_starts
        and one.steady_steps == other.steady_steps
        and one.operators == other.operators
        and len(one.allocations) == len(other.allocations)
        and all(_memory(a) == _memory(b) for a, b in zip(one.allocations, other.allocations, strict=True))
    )


def _memory(allocation: Allocation) -> tuple[object, ...]:
    return (allocation.requested_bytes, *kind_of(allocation), allocation.workspace)


def _answer(ask: Callable[..., Sequence[Answer]], call: Any, *arguments: Any) -> Sequence[Answer]:
    """What is asked of a call, whose rule may be of another package and raise what it likes."""
    try:
        return ask(call, *arguments)
    except Exception as error:
        raise ValueError(f"{call} cannot be asked again: {error}") from error
