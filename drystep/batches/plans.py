"""A trace taken apart: its events, its sizes, and the calls that decide about workspaces and padding."""

from collections.abc import Sequence
from dataclasses import dataclass

from drystep.batches.arguments import split_numbers
from drystep.cuda.workspaces import PADDED_RESULTS
from drystep.trace.trace import Allocation, Request, Trace

STEP = "step"
Part = tuple[int, bool, int] | int | str
"""A part of a trace: an event, the number of a request, or `STEP` where a training step starts."""


def kind_of(allocation: Allocation) -> tuple[object, ...]:
    """What is the same of an allocation at every size of the step."""
    return allocation.operator, allocation.category


@dataclass(frozen=True)
class Plan:
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
    def of(cls, trace: Trace) -> "Plan":
        """Take a trace apart."""
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
        split = [split_numbers(each.arguments) for each in trace.requests]
        requests = [
            Request(0, each.operator, each.call, arguments, each.in_backward)
            for each, (arguments, _) in zip(trace.requests, split, strict=True)
        ]
        return cls(parts[:-1], allocations, requests, [numbers for _, numbers in split], results)

    @property
    def kinds(self) -> tuple[object, ...]:
        """What must be the same at every size beside the order of events."""
        return [(kind_of(each), each.workspace) for each in self.allocations], self.requests, self.results

    @property
    def sizes_bytes(self) -> list[int]:
        """Bytes of each allocation."""
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
