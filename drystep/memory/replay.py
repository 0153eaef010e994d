"""Replay of a trace through the caching allocator: peaks, verdict under a capacity, and what is alive at the peak."""

from bisect import bisect_right
from dataclasses import dataclass

from drystep.alloc_conf import AllocatorSettings
from drystep.memory.allocator import CachingAllocator, OutOfMemoryError
from drystep.memory.block import Block, PoolName
from drystep.memory.driver import AllocatorStats, address_order
from drystep.memory.sizes import DEFAULT_SETTINGS
from drystep.memory.verdict import Verdict
from drystep.trace.trace import CATEGORIES, Allocation, Category, Phase, Trace


@dataclass(frozen=True)
class Replay:
    """Outcome of one replay."""

    peak_allocated_bytes: int
    """Highest sum of allocated blocks in the steady steps (`max_memory_allocated` after a reset before them)."""
    peak_reserved_bytes: int
    """Highest sum of segments from the build on (`max_memory_reserved`), up to the failure if it ran out of memory."""
    alloc_retries: int
    """How often cached segments had to be released for a request."""
    verdict: Verdict
    """Whether the step runs under the capacity; "fits" without one."""
    peak_phase: Phase
    """Phase of the peak of the steady steps, or of the failure."""
    peak_step: int
    """Number of the step of that peak, from 0; -1 if the build failed."""
    at_peak: dict[Category, int]
    """Bytes of allocated blocks at that peak, by category."""
    peak_event: int
    """Index, in the trace, of the event that reached the peak, or of the allocation that failed."""


class Observer:
    """Is told of what happens in a replay. The methods here do nothing. Events are given by index in the trace."""

    def segment_allocated(self, address: int, size_bytes: int, pool: PoolName) -> None:
        """A segment was allocated by the driver. The call for the block that needs it follows."""

    def segment_freed(self, address: int, size_bytes: int) -> None:
        """A cached segment was returned to the driver."""

    def segment_mapped(self, address: int, size_bytes: int, pool: PoolName) -> None:
        """Pages of an expandable segment got memory. The call for the block that needs them follows."""

    def segment_unmapped(self, address: int, size_bytes: int) -> None:
        """Pages of an expandable segment gave their memory back."""

    def block_allocated(self, event: int, block: Block, stats: AllocatorStats) -> None:
        """An allocation succeeded; `stats` is the state after it."""

    def block_freed(self, event: int, address: int, stats: AllocatorStats) -> None:
        """A block was freed; `stats` is the state after it."""

    def out_of_memory(self, event: int, stats: AllocatorStats) -> None:
        """An allocation failed, which ends the replay."""


def replay(
    trace: Trace,
    capacity_bytes: int | None = None,
    possible: bool = False,
    observer: Observer | None = None,
    allocator_settings: AllocatorSettings = DEFAULT_SETTINGS,
    whole_card: bool = False,
    architecture: str = "",
) -> Replay:
    """Run the allocations of a trace through the allocator.

    The allocated peak is that of the trace's steady steps, which by default means the last step. Workspaces that are
    not certain are left out unless `possible` is set, and so are those of other architectures than `architecture`, a
    compute capability as "7.0", which also decides in which order addresses are given. A soft request that fails is
    skipped, but the allocator has released its cached segments for it by then. `whole_card` says that the capacity is
    what a card has, rather than a limit that PyTorch was given: see `CachingAllocator`.
    """
    observer = observer or Observer()
    allocator = CachingAllocator(capacity_bytes, observer, allocator_settings, whole_card, address_order(architecture))
    blocks: dict[int, Block] = {}
    block_bytes: dict[int, int] = {}  # of every allocation so far, dead or alive
    steady_start = trace.iteration_starts[-trace.steady_steps]
    peak_bytes, peak_event, ran_out = 0, 0, False
    for position, (index, born, _) in enumerate(trace.events):
        allocation = trace.allocations[index]
        workspace = allocation.workspace
        if workspace is not None and not workspace.is_requested(possible, architecture):
            continue
        if born:
            try:
                blocks[index] = _served(allocation, allocator)
                block_bytes[index] = blocks[index].size_bytes
                observer.block_allocated(position, blocks[index], allocator.stats)
            except OutOfMemoryError:
                if workspace is not None and workspace.soft:
                    continue
                observer.out_of_memory(position, allocator.stats)
                peak_bytes, peak_event, ran_out = allocator.stats.allocated_bytes, position, True
                break
        elif index in blocks:  # a soft request that was skipped has no block
            block = blocks.pop(index)
            address = block.address
            allocator.free(block)
            observer.block_freed(position, address, allocator.stats)
        if position >= steady_start and allocator.stats.allocated_bytes > peak_bytes:
            peak_bytes, peak_event = allocator.stats.allocated_bytes, position
    stats = allocator.stats
    return Replay(
        peak_allocated_bytes=peak_bytes,
        peak_reserved_bytes=stats.peak_reserved_bytes,
        alloc_retries=stats.alloc_retries,
        verdict="oom" if ran_out else "fits_with_retries" if stats.alloc_retries else "fits",
        peak_phase=trace.operators[trace.events[peak_event][2]].phase,
        peak_step=bisect_right(trace.iteration_starts, peak_event) - 1,
        at_peak=_breakdown(trace, peak_event, block_bytes),
        peak_event=peak_event,
    )


def _served(allocation: Allocation, allocator: CachingAllocator) -> Block:
    """The block of an allocation, of a smaller size where its workspace can be smaller. Raises `OutOfMemoryError`."""
    smaller = () if allocation.workspace is None else allocation.workspace.smaller_bytes
    for size_bytes in (allocation.requested_bytes, *smaller[:-1]):
        try:
            return allocator.malloc(size_bytes)
        except OutOfMemoryError:
            if not smaller:
                raise
    return allocator.malloc(smaller[-1])


def _breakdown(trace: Trace, event: int, block_bytes: dict[int, int]) -> dict[Category, int]:
    """Bytes of the blocks alive after an event, by category."""
    totals = dict.fromkeys(CATEGORIES, 0)
    for index in trace.alive_after(event) & block_bytes.keys():
        totals[trace.allocations[index].category] += block_bytes[index]
    return totals
