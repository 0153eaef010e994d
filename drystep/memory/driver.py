"""The CUDA driver as the allocator sees it: memory up to a capacity, addresses without end."""

from dataclasses import dataclass
from typing import Literal, Protocol

from drystep.memory.block import PoolName

AddressOrder = Literal["ascending", "descending"]
"""Whether later segments lie above or below earlier ones. Among free blocks of one size, PyTorch's allocator takes the
lowest, so the order decides which segments stay in use."""
DESCENDING_CARDS = ("9.0",)
"""Compute capabilities of the cards whose driver was seen to give descending addresses: on an NVIDIA H200 (driver 580)
recorded requests then replay to the recorded segments. Other cards are taken to give ascending ones, as before."""
ADDRESS_RANGE_BYTES = 1 << 42
"""Addresses of an expandable segment: more than any card has, so that a pool has one segment. PyTorch takes 9/8 of the
card's memory, which a pool exceeds only if much of it was unmapped while its other parts were in use."""
FIRST_DESCENDING = 1 << 60
"""Where descending addresses begin: above all that a step can ask for."""


def address_order(architecture: str) -> AddressOrder:
    """In which order the driver of cards of an architecture, such as "9.0", gives addresses."""
    return "descending" if architecture in DESCENDING_CARDS else "ascending"


@dataclass
class AllocatorStats:
    """Counters with the names and meaning of `torch.cuda.memory_stats`."""

    allocated_bytes: int = 0
    """Sum of the sizes of allocated blocks, rounding and slack included."""
    reserved_bytes: int = 0
    """Sum of the sizes of all segments; of an expandable segment, only what is mapped counts."""
    requested_bytes: int = 0
    """Sum of the sizes that were requested by the allocations that are alive."""
    peak_allocated_bytes: int = 0
    peak_reserved_bytes: int = 0
    alloc_retries: int = 0
    """Requests that the driver refused at first, so that the allocator released its cached segments."""
    ooms: int = 0


class SegmentListener(Protocol):
    """Is told of each segment that the allocator gets from the driver or gives back to it."""

    def segment_allocated(self, address: int, size_bytes: int, pool: PoolName) -> None:
        """Called after cudaMalloc."""

    def segment_freed(self, address: int, size_bytes: int) -> None:
        """Called after cudaFree."""

    def segment_mapped(self, address: int, size_bytes: int, pool: PoolName) -> None:
        """Called after pages of an expandable segment got physical memory."""

    def segment_unmapped(self, address: int, size_bytes: int) -> None:
        """Called after pages of an expandable segment gave their memory back."""


class Driver:
    """Gives memory up to a capacity, and never an address twice; `stats` has the sum of what it gave."""

    def __init__(
        self,
        capacity_bytes: int | None,
        stats: AllocatorStats,
        listener: SegmentListener | None,
        order: AddressOrder = "ascending",
    ) -> None:
        if capacity_bytes is not None and capacity_bytes <= 0:
            raise ValueError(f"capacity_bytes must be positive, not {capacity_bytes}")
        self.capacity_bytes = capacity_bytes
        self._stats = stats
        self._listener = listener
        self._descends = order == "descending"
        self._next_address = FIRST_DESCENDING if self._descends else 0
        """The end of what was given: its upper end where addresses ascend, else its lower end."""

    def has(self, size_bytes: int) -> bool:
        """Whether so much is left."""
        return self.capacity_bytes is None or self._stats.reserved_bytes + size_bytes <= self.capacity_bytes

    def allocate(self, size_bytes: int, pool: PoolName) -> int:
        """Give a segment that `has` allowed, and return its address (cudaMalloc)."""
        address = self._addresses(size_bytes)
        self._reserve(size_bytes)
        if self._listener is not None:
            self._listener.segment_allocated(address, size_bytes, pool)
        return address

    def free(self, address: int, size_bytes: int) -> None:
        """Take a segment back (cudaFree)."""
        self._stats.reserved_bytes -= size_bytes
        if self._listener is not None:
            self._listener.segment_freed(address, size_bytes)

    def address_range(self, page_bytes: int) -> tuple[int, int]:
        """Give addresses without memory, whole pages of them: the first address and their number."""
        size_bytes = ADDRESS_RANGE_BYTES // page_bytes * page_bytes
        return self._addresses(size_bytes, page_bytes), size_bytes

    def map(self, address: int, size_bytes: int, pool: PoolName) -> None:
        """Put memory that `has` allowed behind addresses (cuMemCreate, cuMemMap)."""
        self._reserve(size_bytes)
        if self._listener is not None:
            self._listener.segment_mapped(address, size_bytes, pool)

    def unmap(self, address: int, size_bytes: int) -> None:
        """Take the memory behind addresses back (cuMemUnmap, cuMemRelease)."""
        self._stats.reserved_bytes -= size_bytes
        if self._listener is not None:
            self._listener.segment_unmapped(address, size_bytes)

    def _addresses(self, size_bytes: int, alignment_bytes: int = 1) -> int:
        if self._descends:
            self._next_address = (self._next_address - size_bytes) // alignment_bytes * alignment_bytes
            return self._next_address
        address = -(-self._next_address // alignment_bytes) * alignment_bytes
        self._next_address = address + size_bytes
        return address

    def _reserve(self, size_bytes: int) -> None:
        self._stats.reserved_bytes += size_bytes
        self._stats.peak_reserved_bytes = max(self._stats.peak_reserved_bytes, self._stats.reserved_bytes)
