"""Memory over a training step: what is allocated and reserved after every event, and what is alive at the peak."""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from drystep.alloc_conf import AllocatorSettings
from drystep.memory.block import Block
from drystep.memory.driver import AllocatorStats
from drystep.memory.module_groups import cut, group_by_size
from drystep.memory.replay import Observer, Replay, replay
from drystep.memory.sizes import DEFAULT_SETTINGS
from drystep.trace.trace import Category, Operator, Phase, Trace

DEFAULT_GROUPS = 14
"""Largest number of groups in a breakdown by module, unless a depth is given."""


@dataclass(frozen=True, slots=True)
class Moment:
    """State of the allocator after one event."""

    operator: int
    """Index in the trace of the latest operator."""
    allocated_bytes: int
    """Sum of allocated blocks."""
    reserved_bytes: int
    """Sum of segments."""


@dataclass(frozen=True, slots=True)
class AliveBlock:
    """A block that is allocated at the peak."""

    size_bytes: int
    """Size of the block, rounding included. The sizes of all blocks add up to the peak."""
    requested_bytes: int
    """Size of the tensor storage in it."""
    category: Category
    """What it is for."""
    module: str
    """Path of the module that owns it, or whose operator allocated it; "" outside all modules."""
    operator: str
    """Name of the operator that allocated it."""
    phase: Phase
    """Phase in which it was allocated."""
    shape: tuple[int, ...]
    """Shape of the first tensor in it."""
    dtype: str
    """Element type of that tensor, such as float32; "" if it is unknown."""


@dataclass(frozen=True)
class ModuleBytes:
    """What one module holds at the peak."""

    module: str
    """Path of the module, or the common start of several paths; "" outside all modules."""
    total_bytes: int
    """Sum of its blocks."""
    by_category: dict[Category, int]
    """The same by category."""


@dataclass(frozen=True)
class Timeline:
    """Memory over a training step. All figures are simulated."""

    operators: tuple[Operator, ...]
    """Operators of the steps shown, in order."""
    first_operator: int
    """Index in the trace of the first of these operators."""
    moments: tuple[Moment, ...]
    """One per allocation and free; memory does not change between two of them."""
    peak: Moment
    """The first moment of the highest allocated memory in the steady steps, or the moment when an allocation failed."""
    peak_reserved_bytes: int
    """Highest sum of segments from the build on."""
    failed_request_bytes: int | None
    """Size of the request that failed; None if none did."""
    alive: tuple[AliveBlock, ...]
    """The blocks that are alive at the peak, largest first."""

    @property
    def peak_operator(self) -> Operator:
        """The operator at the peak, or the one that ran out of memory."""
        return self.operators[self.peak.operator - self.first_operator]

    def by_module(self, depth: int | None = None) -> list[ModuleBytes]:
        """Memory at the peak by module, largest first.

        Paths are cut to their first `depth` components. Without a depth, large modules are shown in more detail than
        small ones. Raises `ValueError` for a depth below 1.
        """
        if depth is not None and depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        sizes = _sums(self.alive, lambda block: block.module)
        names = {path: cut(path, depth) for path in sizes} if depth else group_by_size(sizes, DEFAULT_GROUPS)
        groups: dict[str, dict[Category, int]] = {}
        for block in self.alive:
            parts = groups.setdefault(names[block.module], {})
            parts[block.category] = parts.get(block.category, 0) + block.size_bytes
        rows = [ModuleBytes(module, sum(parts.values()), parts) for module, parts in groups.items()]
        return sorted(rows, key=lambda row: (-row.total_bytes, row.module))

    def by_operator(self) -> dict[str, int]:
        """Memory at the peak by name of the operator that allocated it, largest first."""
        return _sums(self.alive, lambda block: block.operator)

    def by_category(self) -> dict[str, int]:
        """Memory at the peak by category, largest first."""
        return _sums(self.alive, lambda block: block.category)

    def as_dict(self, depth: int | None = None) -> dict[str, Any]:
        """The timeline as a dictionary for JSON, in which the moments are the columns of a table."""
        peak = self.peak_operator
        return {
            "schema": 1,
            "peak": {**asdict(self.peak), "name": peak.name, "phase": peak.phase, "module": peak.module},
            "peak_reserved_bytes": self.peak_reserved_bytes,
            "failed_request_bytes": self.failed_request_bytes,
            "by_category": self.by_category(),
            "by_module": [asdict(row) for row in self.by_module(depth)],
            "by_operator": self.by_operator(),
            "alive": [{**asdict(block), "shape": list(block.shape)} for block in self.alive],
            "moments": {
                "operator": [moment.operator for moment in self.moments],
                "allocated_bytes": [moment.allocated_bytes for moment in self.moments],
                "reserved_bytes": [moment.reserved_bytes for moment in self.moments],
            },
            "operators": [
                {"index": index, "name": operator.name, "phase": operator.phase, "module": operator.module}
                for index, operator in enumerate(self.operators, start=self.first_operator)
            ],
        }


def timeline(
    trace: Trace,
    capacity_bytes: int | None = None,
    all_steps: bool = False,
    allocator_settings: AllocatorSettings = DEFAULT_SETTINGS,
    whole_card: bool = False,
    architecture: str = "",
) -> Timeline:
    """Replay a trace and return the step of its peak; with `all_steps`, everything from the build to the end.

    If the trace runs out of memory under the capacity, the step is the one that failed.
    """
    watcher = _Watcher(trace)
    outcome = replay(trace, capacity_bytes, False, watcher, allocator_settings, whole_card, architecture)
    first_event, first_operator = (0, 0) if all_steps else _start_of_step(trace, outcome.peak_event)
    last_event, last_operator = _end_of_step(trace, outcome)
    # What a step frees before its first operator is attributed to that operator, not to the last of the step before.
    moments = {event: _not_before(moment, first_operator) for event, moment in watcher.moments.items()}
    return Timeline(
        operators=tuple(trace.operators[first_operator : last_operator + 1]),
        first_operator=first_operator,
        moments=tuple(moment for event, moment in moments.items() if first_event <= event <= last_event),
        peak=moments[outcome.peak_event],
        peak_reserved_bytes=outcome.peak_reserved_bytes,
        failed_request_bytes=watcher.failed_request_bytes,
        alive=_alive(trace, outcome.peak_event, watcher.block_bytes),
    )


class _Watcher(Observer):
    def __init__(self, trace: Trace) -> None:
        self.moments: dict[int, Moment] = {}  # by event; workspaces that are left out have no moment
        self.block_bytes: dict[int, int] = {}  # of every allocation that succeeded
        self.failed_request_bytes: int | None = None
        self._trace = trace

    def block_allocated(self, event: int, block: Block, stats: AllocatorStats) -> None:
        self.block_bytes[self._trace.events[event][0]] = block.size_bytes
        self._look(event, stats)

    def block_freed(self, event: int, address: int, stats: AllocatorStats) -> None:
        self._look(event, stats)

    def out_of_memory(self, event: int, stats: AllocatorStats) -> None:
        self.failed_request_bytes = self._trace.allocations[self._trace.events[event][0]].requested_bytes
        self._look(event, stats)

    def _look(self, event: int, stats: AllocatorStats) -> None:
        operator = self._trace.events[event][2]
        self.moments[event] = Moment(operator, stats.allocated_bytes, stats.reserved_bytes)


def _start_of_step(trace: Trace, event: int) -> tuple[int, int]:
    """Indices of the first event and operator of the step that an event is in; (0, 0) in the build."""
    step = bisect_right(trace.iteration_starts, event) - 1
    return (trace.iteration_starts[step], trace.first_operators[step]) if step >= 0 else (0, 0)


def _end_of_step(trace: Trace, outcome: Replay) -> tuple[int, int]:
    """Indices of the last event and operator of the step of the peak, or of the failure if it ran out of memory."""
    if outcome.verdict == "oom":
        return outcome.peak_event, trace.events[outcome.peak_event][2]
    if outcome.peak_step + 1 < len(trace.iteration_starts):
        return trace.iteration_starts[outcome.peak_step + 1] - 1, trace.first_operators[outcome.peak_step + 1] - 1
    return len(trace.events) - 1, len(trace.operators) - 1


def _not_before(moment: Moment, operator: int) -> Moment:
    return moment if moment.operator >= operator else replace(moment, operator=operator)


def _alive(trace: Trace, event: int, block_bytes: dict[int, int]) -> tuple[AliveBlock, ...]:
    """The blocks that are alive after an event, largest first. An allocation that failed in it has no block."""
    served = trace.alive_after(event) & block_bytes.keys()
    blocks = [_describe(trace, index, block_bytes[index]) for index in sorted(served)]
    return tuple(sorted(blocks, key=lambda block: -block.size_bytes))


def _describe(trace: Trace, index: int, size_bytes: int) -> AliveBlock:
    allocation = trace.allocations[index]
    operator = trace.operators[allocation.operator]
    return AliveBlock(
        size_bytes=size_bytes,
        requested_bytes=allocation.requested_bytes,
        category=allocation.category,
        module=allocation.module or operator.module,
        operator=operator.name,
        phase=operator.phase,
        shape=tuple(allocation.shape),
        dtype="" if allocation.dtype is None else str(allocation.dtype).removeprefix("torch."),
    )


def _sums(blocks: Iterable[AliveBlock], key: Callable[[AliveBlock], str]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for block in blocks:
        totals[key(block)] = totals.get(key(block), 0) + block.size_bytes
    return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))
