"""What PyTorch's own allocator was asked for on a GPU, replayed through ours.

The recording is that of `torch.cuda.memory._snapshot`. A replay of it tells errors of the simulated allocator from
those of the simulated step: the requests are the real ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from drystep.memory.allocator import CachingAllocator
from drystep.memory.block import Block
from drystep.memory.driver import AddressOrder
from drystep.memory.sizes import SMALL_SEGMENT_BYTES

GROWS, SHRINKS = ("segment_alloc", "segment_map"), ("segment_free", "segment_unmap")
"""Actions by which PyTorch's allocator gets memory from the driver, and gives it back."""


@dataclass(frozen=True)
class Recording:
    """Requests in order, and what the recorded allocator held after each."""

    requests: Sequence[int]
    """The bytes of an allocation; or, for a free, minus the number of the allocation, counted from 1."""
    reserved_bytes: Sequence[int]
    """Sum of the segments after each request."""
    streams: int
    """Number of CUDA streams that asked; the simulated allocator has one."""
    strange_frees: int
    """Frees of what was allocated before the recording began; they are left out of the requests."""
    order: AddressOrder = "ascending"
    """Whether the driver gave most segments of the large pool above or below the one before."""

    def sizes(self, since: int = 0) -> dict[int, int]:
        """How often each size was requested, in bytes, from a request on."""
        counts: dict[int, int] = {}
        for request in self.requests[since:]:
            if request > 0:
                counts[request] = counts.get(request, 0) + 1
        return counts


@dataclass(frozen=True)
class RecordedReplay:
    """The simulated allocator under recorded requests."""

    peak_allocated_bytes: int
    """From the request on that was asked for."""
    peak_reserved_bytes: int
    """From the first request on."""
    recorded_reserved_bytes: int
    """The same of the recorded allocator."""
    first_difference: int | None
    """Number of the first request, from 0, after which the two hold different sums of segments; None if none."""


def read_recording(entries: Iterable[Mapping[str, Any]]) -> Recording:
    """Read one of the `device_traces` of a snapshot."""
    requests: list[int] = []
    reserved: list[int] = []
    living: dict[int, int] = {}  # address -> number of the allocation
    streams: set[Any] = set()
    segments: list[int] = []
    now_bytes = allocations = strange_frees = 0
    for entry in entries:
        action = entry["action"]
        if action in GROWS:
            now_bytes += entry["size"]
            if entry["size"] > SMALL_SEGMENT_BYTES:
                segments.append(entry["addr"])
        elif action in SHRINKS:
            now_bytes -= entry["size"]
        elif action == "alloc":
            allocations += 1
            living[entry["addr"]] = allocations
            streams.add(entry.get("stream", 0))
            requests.append(entry["size"])
            reserved.append(now_bytes)
        elif action == "free_completed":
            number = living.pop(entry["addr"], 0)
            if number:
                requests.append(-number)
                reserved.append(now_bytes)
            else:
                strange_frees += 1
    return Recording(requests, reserved, len(streams), strange_frees, _order(segments))


def _order(addresses: Sequence[int]) -> AddressOrder:
    falls = sum(later < earlier for earlier, later in pairwise(addresses))
    return "descending" if 2 * falls > len(addresses) - 1 else "ascending"


def replay_recording(recording: Recording, since: int = 0) -> RecordedReplay:
    """Ask our allocator for what PyTorch's was asked for. The allocated peak is that from request `since` on."""
    allocator = CachingAllocator(order=recording.order)
    blocks: dict[int, Block] = {}
    allocations = peak_bytes = 0
    first_difference: int | None = None
    for position, (request, recorded_bytes) in enumerate(
        zip(recording.requests, recording.reserved_bytes, strict=True)
    ):
        if request > 0:
            allocations += 1
            blocks[allocations] = allocator.malloc(request)
        else:
            allocator.free(blocks.pop(-request))
        if position >= since:
            peak_bytes = max(peak_bytes, allocator.stats.allocated_bytes)
        if first_difference is None and allocator.stats.reserved_bytes != recorded_bytes:
            first_difference = position
    return RecordedReplay(
        peak_allocated_bytes=peak_bytes,
        peak_reserved_bytes=allocator.stats.peak_reserved_bytes,
        recorded_reserved_bytes=max(recording.reserved_bytes, default=0),
        first_difference=first_difference,
    )
