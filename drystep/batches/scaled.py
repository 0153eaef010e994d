"""Traces of a step at sizes at which it was not run, made of traces at sizes at which it was.

Nearly every step does the same at every batch size, and each of its storages grows as a polynomial of the size. The
workspaces of libraries do not: their rules are asked again, with arguments that were scaled in the same way.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from drystep.batches.growth import Growth, Size
from drystep.cuda.rules import Rules
from drystep.cuda.workspaces import PADDED_RESULTS, Workspaces
from drystep.operators import Workspace
from drystep.trace.trace import Allocation, Request, TensorForm, Trace

STEP = "step"
Part = tuple[int, bool, int] | int | str
"""A part of a trace: an event, the number of a request, or `STEP` where a training step starts."""


class ScaledTraces:
    """The traces of one step at any size, as far as it is known to do the same at each."""

    def __init__(self, recorded: Mapping[Size, Trace], rules: Rules) -> None:
        """Take the traces that were recorded under such rules. Raises `ValueError` where they do not do the same."""
        plans = [_Plan.of(trace) for trace in recorded.values()]
        if any(plan.parts != plans[0].parts or plan.kinds != plans[0].kinds for plan in plans):
            raise ValueError("the step does not do the same at every size")
        self._first = next(iter(recorded.values()))
        if any(trace.operators != self._first.operators for trace in recorded.values()):
            raise ValueError("the step does not run the same operators at every size")
        self._plan, self._growth = plans[0], Growth(list(recorded))
        self._bytes = list(zip(*(plan.sizes_bytes for plan in plans), strict=True))
        self._numbers = [list(zip(*each, strict=True)) for each in zip(*(p.numbers for p in plans), strict=True)]
        self._padded = functools.cache(_padded)
        self._workspaces = functools.cache(functools.partial(_requested, rules))
        for size, trace in recorded.items():
            if not self.agrees(size, trace):
                raise ValueError(f"the step does not grow as a polynomial up to {size}")

    def agrees(self, size: Size, recorded: Trace) -> bool:
        """Whether the trace made for a size takes the same memory as the recorded one, allocation by allocation."""
        made = self.at(size)
        return made is not None and same_memory(made, recorded)

    def at(self, size: Size) -> Trace | None:
        """The trace at a size, without work and shapes; None where some number of it would not be whole."""
        sizes_bytes = [self._growth.at(size, known) for known in self._bytes]
        for number, allocations in self._plan.results.items():
            for index, size_bytes in zip(allocations, self._results(number, size), strict=True):
                sizes_bytes[index] = size_bytes
        if any(size_bytes is None or size_bytes <= 0 for size_bytes in sizes_bytes):
            return None
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
                    trace.allocations.append(self._plan.allocation(index, sizes_bytes[index] or 0))
                trace.events.append((placed[index], born, operator))
            elif isinstance(part, int):
                if not self._request(trace, part, size):
                    return None
            else:
                trace.iteration_starts.append(len(trace.events))
        return trace

    def _arguments(self, number: int, size: Size) -> tuple[int | None, ...]:
        """The numbers in the arguments of a call."""
        return tuple(self._growth.at(size, known) for known in self._numbers[number])

    def _results(self, number: int, size: Size) -> Sequence[int | None]:
        """Bytes of the results of a call that pads them."""
        request, numbers, count = (
            self._plan.requests[number],
            self._arguments(number, size),
            len(self._plan.results[number]),
        )
        found = () if None in numbers else self._padded(request.call, request.arguments, numbers)
        return found if len(found) == count else (None,) * count

    def _request(self, trace: Trace, number: int, size: Size) -> bool:
        """Add the workspaces of a call; False where the call would not have whole arguments."""
        request, numbers = self._plan.requests[number], self._arguments(number, size)
        if None in numbers:
            return False
        for workspace in self._workspaces(request.call, request.arguments, numbers, request.in_backward):
            index = len(trace.allocations)
            trace.allocations.append(Allocation(workspace.size_bytes, request.operator, "workspace", workspace))
            trace.events.append((index, True, request.operator))
            if not workspace.kept:
                trace.events.append((index, False, request.operator))
        return True


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
    return (allocation.requested_bytes, *_kind(allocation), allocation.workspace)


def _kind(allocation: Allocation) -> tuple[object, ...]:
    return allocation.operator, allocation.category


@dataclass(frozen=True)
class _Plan:
    """A trace without the workspaces that arguments decide about, and with the calls that request them."""

    parts: list[Part]
    """In order; an event has the index of its allocation among those of the plan."""
    allocations: list[Allocation]
    requests: list[Request]
    """Each with 0 for every number in its arguments."""
    numbers: list[tuple[int, ...]]
    """The numbers in the arguments of each request."""
    results: dict[int, list[int]]
    """Number of each request that pads its results -> their allocations."""

    @classmethod
    def of(cls, trace: Trace) -> "_Plan":
        starts = zip(trace.iteration_starts, trace.first_operators, strict=True)
        marks: list[tuple[int, int, int, Part]] = [(event, operator, 0, STEP) for event, operator in starts]
        marks += [(each.event, each.operator, 1, number) for number, each in enumerate(trace.requests)]
        marks.sort(key=lambda mark: mark[:3])
        parts: list[Part] = []
        placed: dict[int, int] = {}  # allocation in the trace -> in the plan
        allocations: list[Allocation] = []
        left_out: set[int] = set()
        results: dict[int, list[int]] = {}
        position = 0
        for event, operator, _, mark in [*marks, (len(trace.events), 0, 0, STEP)]:
            for index, born, of_event in trace.events[position:event]:
                if index in left_out:
                    continue
                if born:
                    placed[index] = len(allocations)
                    allocations.append(trace.allocations[index])
                parts.append((placed[index], born, of_event))
            position = max(position, event)
            if isinstance(mark, int):
                if trace.requests[mark].call in PADDED_RESULTS:
                    results[mark] = _results_before(parts, operator)
                left_out |= _requested_at(trace, event, operator)
            parts.append(mark)
        split = [_split(each.arguments) for each in trace.requests]
        requests = [
            Request(0, each.operator, each.call, arguments, each.in_backward)
            for each, (arguments, _) in zip(trace.requests, split, strict=True)
        ]
        return cls(parts[:-1], allocations, requests, [numbers for _, numbers in split], results)

    @property
    def kinds(self) -> tuple[object, ...]:
        """What must be the same at every size beside the order of events."""
        return [(_kind(each), each.workspace) for each in self.allocations], self.requests, self.results

    @property
    def sizes_bytes(self) -> list[int]:
        return [each.requested_bytes for each in self.allocations]

    def allocation(self, index: int, size_bytes: int) -> Allocation:
        """An allocation at another size."""
        like = self.allocations[index]
        return Allocation(size_bytes, like.operator, like.category, like.workspace)


def _results_before(parts: Sequence[Part], operator: int) -> list[int]:
    """The allocations that an operator made at the end of what is there."""
    found: list[int] = []
    for part in reversed(parts):
        if not isinstance(part, tuple) or part[2] != operator:
            break
        found += [part[0]] if part[1] else []
    return found[::-1]


def _requested_at(trace: Trace, event: int, operator: int) -> set[int]:
    """The workspaces that a call requested, whose allocations begin with an event."""
    found: set[int] = set()
    for position in range(event, len(trace.events)):
        index, _, of_event = trace.events[position]
        if trace.allocations[index].workspace is None or of_event != operator:
            break
        found.add(index)
    return found


def _split(argument: Any) -> tuple[Any, tuple[int, ...]]:
    """Arguments with 0 in the place of each whole number, and these numbers in order."""
    if isinstance(argument, TensorForm):
        shape, stride = argument.shape, argument.stride
        return TensorForm((0,) * len(shape), (0,) * len(stride), argument.dtype), (*shape, *stride)
    if isinstance(argument, tuple):
        parts = [_split(each) for each in argument]
        return tuple(form for form, _ in parts), tuple(number for _, numbers in parts for number in numbers)
    return (0, (argument,)) if type(argument) is int else (argument, ())


def _requested(
    rules: Rules, call: Any, arguments: tuple[Any, ...], numbers: tuple[int, ...], in_backward: bool
) -> Sequence[Workspace]:
    """The workspaces of a call with such numbers in its arguments."""
    return list(Workspaces(rules)(call, _joined(arguments, iter(numbers)), in_backward))


def _padded(call: Any, arguments: tuple[Any, ...], numbers: tuple[int, ...]) -> Sequence[int]:
    """Bytes of the storages that a call with such numbers in its arguments returns, without empty ones."""
    results = call(*_joined(arguments, iter(numbers)))
    return [size_bytes for tensor in results if (size_bytes := tensor.untyped_storage().nbytes())]


def _joined(argument: Any, numbers: Any) -> Any:
    """Arguments with numbers in the place of each 0, and with tensors that have no values."""
    if isinstance(argument, TensorForm):
        shape = [next(numbers) for _ in argument.shape]
        stride = [next(numbers) for _ in argument.stride]
        return torch.empty_strided(shape, stride, dtype=argument.dtype, device="meta")
    if isinstance(argument, tuple):
        return tuple(_joined(each, numbers) for each in argument)
    return next(numbers) if type(argument) is int else argument
