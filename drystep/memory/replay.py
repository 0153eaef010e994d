"""A trace, replayed through the caching allocator: peaks, the verdict under a capacity, what was alive at the peak."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

from drystep.memory.allocator import (
    AllocatorStats,
    Block,
    CachingAllocator,
    OutOfMemoryError,
    PoolName,
)
from drystep.trace.trace import CATEGORIES, Category, Phase, Trace

Verdict = Literal["fits", "fits_with_retries", "oom"]


@dataclass(frozen=True)
class Replay:
    """Outcome of one replay."""

    peak_allocated_bytes: int
    """Highest sum of allocated blocks in the steady steps (`max_memory_allocated` after a reset before them)."""
    peak_reserved_bytes: int
    """Highest sum of segments, from the build on (`max_memory_reserved`); up to the failure if it ran out of memory."""
    alloc_retries: int
    """How often cached segments had to be released to go on."""
    verdict: Verdict
    """Whether it ran under the capacity; "fits" without one."""
    peak_phase: Phase
    """Phase of the peak of the steady steps, or of the failure."""
    peak_step: int
    """Number of the step of that peak, from 0; -1 if the build failed."""
    at_peak: dict[Category, int]
    """Bytes of allocated blocks at that peak, by what they are for."""
    peak_event: int
    """Index of the event of the trace that made the peak, or failed."""


class Observer:
    """Hears what happens in a replay; here it ignores all of it. Events are named by their index in the trace."""

    def segment_allocated(self, address: int, size_bytes: int, pool: PoolName) -> None:
        """A segment came from the driver; the block that wanted it follows."""

    def segment_freed(self, address: int, size_bytes: int) -> None:
        """A cached segment went back to the driver."""

    def block_allocated(self, event: int, block: Block, stats: AllocatorStats) -> None:
        """An allocation succeeded; `stats` is the state after it."""

    def block_freed(self, event: int, address: int, stats: AllocatorStats) -> None:
        """A block was freed; `stats` is the state after it."""

    def out_of_memory(self, event: int, stats: AllocatorStats) -> None:
        """An allocation failed, which ends the replay."""


def replay(
    trace: Trace, capacity_bytes: int | None = None, workspaces: bool = False, observer: Observer | None = None
) -> Replay:
    """Run the allocations of a trace. The peak is that of its steady steps: the last one, unless it says otherwise.

    Soft requests (the workspaces of convolutions) are left out unless `workspaces`; then one that fails is skipped,
    after the allocator has released its cached segments for it in vain.
    """
    observer = observer or Observer()
    allocator = CachingAllocator(capacity_bytes, observer)
    blocks: dict[int, Block] = {}
    block_bytes: dict[int, int] = {}  # of every allocation so far, dead or alive
    steady_start = trace.iteration_starts[-trace.steady_steps]
    peak_bytes, peak_event, ran_out = 0, 0, False
    for position, (index, born, _) in enumerate(trace.events):
        allocation = trace.allocations[index]
        if allocation.soft and not workspaces:
            continue
        if born:
            try:
                blocks[index] = allocator.malloc(allocation.requested_bytes)
                block_bytes[index] = blocks[index].size_bytes
                observer.block_allocated(position, blocks[index], allocator.stats)
            except OutOfMemoryError:
                if allocation.soft:
                    continue
                observer.out_of_memory(position, allocator.stats)
                peak_bytes, peak_event, ran_out = allocator.stats.allocated_bytes, position, True
                break
        elif index in blocks:  # a soft request that was skipped has nothing to free
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


def _breakdown(trace: Trace, event: int, block_bytes: dict[int, int]) -> dict[Category, int]:
    """Bytes of the blocks alive after an event, by category."""
    totals = dict.fromkeys(CATEGORIES, 0)
    for index in trace.alive_after(event) & block_bytes.keys():
        totals[trace.allocations[index].category] += block_bytes[index]
    return totals
