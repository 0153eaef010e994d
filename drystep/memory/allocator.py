"""PyTorch's CUDA caching allocator (native backend, default settings), exact to the byte and without a GPU.

Follows `c10/cuda/CUDACachingAllocator.cpp` of PyTorch 2.11, for one stream. Addresses are those of a driver that never
reuses one, so that among free blocks of one size, the block in the older segment is taken.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import Literal, Protocol

MIN_BLOCK_BYTES = 512
"""kMinBlockSize: every request is rounded up to a multiple of it."""
SMALL_BYTES = 1 << 20
"""kSmallSize: requests up to this size are served from the small pool."""
SMALL_SEGMENT_BYTES = 2 << 20
"""kSmallBuffer: segments of the small pool."""
LARGE_SEGMENT_BYTES = 20 << 20
"""kLargeBuffer: segments for requests below `MIN_LARGE_BYTES`."""
MIN_LARGE_BYTES = 10 << 20
"""kMinLargeAlloc: a request of this size or more gets a segment of its own size."""
LARGE_ROUNDING_BYTES = 2 << 20
"""kRoundLarge: the size of such a segment is rounded up to a multiple of it."""

PoolName = Literal["small", "large"]


class OutOfMemoryError(Exception):
    """A request that does not fit even after all cached segments were released."""

    def __init__(self, requested_bytes: int, capacity_bytes: int, allocated_bytes: int, reserved_bytes: int) -> None:
        super().__init__(
            f"{requested_bytes} bytes requested, capacity {capacity_bytes}, "
            f"allocated {allocated_bytes}, reserved {reserved_bytes}"
        )
        self.requested_bytes = requested_bytes


class SegmentListener(Protocol):
    """Is told of each segment that the allocator gets from the driver or gives back to it."""

    def segment_allocated(self, address: int, size_bytes: int, pool: PoolName) -> None:
        """Called after cudaMalloc."""

    def segment_freed(self, address: int, size_bytes: int) -> None:
        """Called after cudaFree."""


class Block:
    """A range of one segment, allocated or free; neighbours are linked in address order."""

    __slots__ = ("address", "allocated", "following", "pool", "preceding", "size_bytes")

    def __init__(self, address: int, size_bytes: int, pool: PoolName) -> None:
        self.address = address
        self.size_bytes = size_bytes
        self.pool = pool
        self.allocated = False
        self.preceding: Block | None = None
        self.following: Block | None = None

    @property
    def whole_segment(self) -> bool:
        """Whether the block is a whole segment. Only such a block can be returned to the driver."""
        return self.preceding is None and self.following is None


@dataclass
class AllocatorStats:
    """Counters with the names and meaning of `torch.cuda.memory_stats`."""

    allocated_bytes: int = 0
    """Sum of the sizes of allocated blocks, rounding and slack included."""
    reserved_bytes: int = 0
    """Sum of the sizes of all segments."""
    requested_bytes: int = 0
    """Sum of the sizes that were requested by the allocations that are alive."""
    peak_allocated_bytes: int = 0
    peak_reserved_bytes: int = 0
    alloc_retries: int = 0
    """Requests that the driver refused at first, so that the allocator released its cached segments."""
    ooms: int = 0


def round_size(requested_bytes: int) -> int:
    """Size of the block that serves a request of this many bytes."""
    return max(MIN_BLOCK_BYTES, -(-requested_bytes // MIN_BLOCK_BYTES) * MIN_BLOCK_BYTES)


def segment_size(block_bytes: int) -> int:
    """Size of the segment to request from the driver for a block, where no cached block is large enough."""
    if block_bytes <= SMALL_BYTES:
        return SMALL_SEGMENT_BYTES
    if block_bytes < MIN_LARGE_BYTES:
        return LARGE_SEGMENT_BYTES
    return -(-block_bytes // LARGE_ROUNDING_BYTES) * LARGE_ROUNDING_BYTES


class CachingAllocator:
    """Serves `malloc` and `free` as PyTorch does, with an optional limit on the memory that it may reserve.

    The limit, `capacity_bytes`, applies to the sum of segments, like `torch.cuda.set_per_process_memory_fraction`.
    """

    def __init__(self, capacity_bytes: int | None = None, listener: SegmentListener | None = None) -> None:
        if capacity_bytes is not None and capacity_bytes <= 0:
            raise ValueError(f"capacity_bytes must be positive, not {capacity_bytes}")
        self.capacity_bytes = capacity_bytes
        self.stats = AllocatorStats()
        self._listener = listener
        self._free: dict[PoolName, list[tuple[int, int, Block]]] = {"small": [], "large": []}  # (size, address, block)
        self._requested: dict[int, int] = {}  # address -> bytes asked for
        self._next_address = 0

    def malloc(self, requested_bytes: int) -> Block:
        """Allocate a block of at least `requested_bytes`.

        Raises `OutOfMemoryError` if it does not fit even after releasing cached segments, and `ValueError` unless the
        size is positive.
        """
        if requested_bytes <= 0:
            raise ValueError(f"the allocator never sees requests of {requested_bytes} bytes")
        size = round_size(requested_bytes)
        pool: PoolName = "small" if size <= SMALL_BYTES else "large"
        block = self._take_free(pool, size) or self._new_segment(pool, size, requested_bytes)
        self._split(block, size)
        block.allocated = True
        stats = self.stats
        self._requested[block.address] = requested_bytes
        stats.requested_bytes += requested_bytes
        stats.allocated_bytes += block.size_bytes
        stats.peak_allocated_bytes = max(stats.peak_allocated_bytes, stats.allocated_bytes)
        return block

    def free(self, block: Block) -> None:
        """Return a block to its pool, merged with free neighbours. Nothing is returned to the driver."""
        if not block.allocated:
            raise ValueError(f"block at {block.address} is not allocated")
        block.allocated = False
        self.stats.allocated_bytes -= block.size_bytes
        self.stats.requested_bytes -= self._requested.pop(block.address)
        for neighbour in (block.preceding, block.following):
            if neighbour is not None and not neighbour.allocated:
                block = self._merge(block, neighbour)
        insort(self._free[block.pool], (block.size_bytes, block.address, block))

    def free_blocks(self) -> list[Block]:
        """All cached blocks of both pools."""
        return [block for pool in self._free.values() for _, _, block in pool]

    def _take_free(self, pool: PoolName, size: int) -> Block | None:
        """Take the best fit: the smallest cached block that is large enough; among equals, the lowest address."""
        blocks = self._free[pool]
        at = bisect_left(blocks, (size, -1))
        return blocks.pop(at)[2] if at < len(blocks) else None

    def _new_segment(self, pool: PoolName, size: int, requested_bytes: int) -> Block:
        """Call cudaMalloc; if it fails, release the cached segments and call it once more."""
        segment_bytes = segment_size(size)
        if not self._driver_has(segment_bytes):
            self.stats.alloc_retries += 1
            self._release_cached()
            if not self._driver_has(segment_bytes):
                self.stats.ooms += 1
                assert self.capacity_bytes is not None
                raise OutOfMemoryError(
                    requested_bytes, self.capacity_bytes, self.stats.allocated_bytes, self.stats.reserved_bytes
                )
        block = Block(self._next_address, segment_bytes, pool)
        self._next_address += segment_bytes
        self.stats.reserved_bytes += segment_bytes
        self.stats.peak_reserved_bytes = max(self.stats.peak_reserved_bytes, self.stats.reserved_bytes)
        if self._listener is not None:
            self._listener.segment_allocated(block.address, segment_bytes, pool)
        return block

    def _driver_has(self, segment_bytes: int) -> bool:
        return self.capacity_bytes is None or self.stats.reserved_bytes + segment_bytes <= self.capacity_bytes

    def _release_cached(self) -> None:
        """Call cudaFree for every free block that is a whole segment. Split segments stay, which is fragmentation."""
        for pool, blocks in self._free.items():
            for size, address, block in blocks:
                if block.whole_segment:
                    self.stats.reserved_bytes -= size
                    if self._listener is not None:
                        self._listener.segment_freed(address, size)
            self._free[pool] = [entry for entry in blocks if not entry[2].whole_segment]

    def _split(self, block: Block, size: int) -> None:
        """Cut a block down to `size` if the rest is large enough to be kept. The low addresses are allocated."""
        rest_bytes = block.size_bytes - size
        worth_keeping = rest_bytes >= MIN_BLOCK_BYTES if block.pool == "small" else rest_bytes > SMALL_BYTES
        if not worth_keeping:
            return
        rest = Block(block.address + size, rest_bytes, block.pool)
        rest.preceding, rest.following = block, block.following
        if block.following is not None:
            block.following.preceding = rest
        block.following = rest
        block.size_bytes = size
        insort(self._free[rest.pool], (rest.size_bytes, rest.address, rest))

    def _merge(self, block: Block, neighbour: Block) -> Block:
        """Join a block that is not in its pool's list with a free neighbour, which is removed from that list."""
        blocks = self._free[neighbour.pool]
        del blocks[bisect_left(blocks, (neighbour.size_bytes, neighbour.address))]
        low, high = (neighbour, block) if neighbour.address < block.address else (block, neighbour)
        low.size_bytes += high.size_bytes
        low.following = high.following
        if high.following is not None:
            high.following.preceding = low
        return low
