"""PyTorch's CUDA caching allocator (native backend), exact to the byte and without a GPU.

Follows `c10/cuda/CUDACachingAllocator.cpp` of PyTorch 2.11, for one stream. Addresses are those of a driver that never
reuses one. Among free blocks of one size, the one at the lowest address is taken: where addresses ascend, that of the
oldest segment, and where they descend, that of the newest.
"""

from drystep.alloc_conf import AllocatorSettings
from drystep.memory.block import Block, Pool, PoolName
from drystep.memory.driver import AddressOrder, AllocatorStats, Driver, SegmentListener
from drystep.memory.expandable import allocate_expandable, growth_bytes
from drystep.memory.release import collect_garbage, release_all, release_oversize
from drystep.memory.sizes import (
    DEFAULT_SETTINGS,
    SMALL_BYTES,
    is_oversize,
    page_size,
    round_size,
    segment_size,
    worth_splitting,
)


class OutOfMemoryError(Exception):
    """A request that does not fit even after all cached segments were released."""

    def __init__(self, requested_bytes: int, capacity_bytes: int, allocated_bytes: int, reserved_bytes: int) -> None:
        super().__init__(
            f"{requested_bytes} bytes requested, capacity {capacity_bytes}, "
            f"allocated {allocated_bytes}, reserved {reserved_bytes}"
        )
        self.requested_bytes = requested_bytes


class CachingAllocator:
    """Serves `malloc` and `free` as PyTorch does, with an optional limit on the memory that it may reserve.

    The limit, `capacity_bytes`, applies to the sum of segments: it is what `torch.cuda.set_per_process_memory_fraction`
    allows, and the driver has no more either. With `whole_card`, no fraction was set, and only the driver's memory is
    bounded. With the default settings there is no difference.
    """

    def __init__(
        self,
        capacity_bytes: int | None = None,
        listener: SegmentListener | None = None,
        settings: AllocatorSettings = DEFAULT_SETTINGS,
        whole_card: bool = False,
        order: AddressOrder = "ascending",
    ) -> None:
        self.stats = AllocatorStats()
        self._allowed_bytes = None if whole_card else capacity_bytes
        self.settings = settings
        self._driver = Driver(capacity_bytes, self.stats, listener, order)
        self._pools: dict[PoolName, Pool] = {"small": Pool("small"), "large": Pool("large")}
        self._requested: dict[int, int] = {}  # address -> bytes asked for

    @property
    def capacity_bytes(self) -> int | None:
        """The limit on the sum of segments; None without one."""
        return self._driver.capacity_bytes

    def malloc(self, requested_bytes: int) -> Block:
        """Allocate a block of at least `requested_bytes`.

        Raises `OutOfMemoryError` if it does not fit even after releasing cached segments, and `ValueError` unless the
        size is positive.
        """
        if requested_bytes <= 0:
            raise ValueError(f"the allocator never sees requests of {requested_bytes} bytes")
        size = round_size(requested_bytes, self.settings)
        pool = self._pools["small" if size <= SMALL_BYTES else "large"]
        block = self._take_free(pool, size) or self._new_block(pool, size, requested_bytes)
        if worth_splitting(size, block.size_bytes - size, pool.name, self.settings):
            pool.insert(block.split(size))
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
        pool = self._pools[block.pool]
        pool.insert(pool.merged(block))

    def empty_cache(self) -> None:
        """Return to the driver what no allocation needs (`torch.cuda.empty_cache`)."""
        for name in ("large", "small"):
            pool = self._pools[name]
            release_all(pool, self._driver, self._page_bytes(pool) if self.settings.expandable_segments else None)

    def free_blocks(self) -> list[Block]:
        """All cached blocks of both pools."""
        return [block for pool in self._pools.values() for _, _, block in pool.free]

    def _take_free(self, pool: Pool, size: int) -> Block | None:
        """Take the best fit: the smallest cached block that is large enough; among equals, the lowest address."""
        if self._collects_garbage:
            pool.lookups += 1
        at = pool.first_at_least(size)
        if at == len(pool.free):
            return None
        if self.settings.expandable_segments:
            # What a block can grow to counts as its size: the block before unmapped addresses is the last choice.
            while at + 1 < len(pool.free) and growth_bytes(pool.free[at + 1][2]) < growth_bytes(pool.free[at][2]):
                at += 1
        found_bytes = pool.free[at][0]
        if is_oversize(found_bytes, self.settings) and not (
            is_oversize(size, self.settings) and found_bytes < size + self.settings.most_rounding_bytes
        ):
            return None
        return pool.free.pop(at)[2]

    def _new_block(self, pool: Pool, size: int, requested_bytes: int) -> Block:
        """Ask the driver; if it has too little, release cached segments, first oversize ones, and ask it again."""
        if self._collects_garbage:
            self._collect_garbage()
        block = self._from_driver(pool, size)
        if block is None and self._release_oversize(pool, size):
            block = self._from_driver(pool, size)
        if block is None:
            self.stats.alloc_retries += 1
            self.empty_cache()
            block = self._from_driver(pool, size)
        if block is None:
            self.stats.ooms += 1
            assert self.capacity_bytes is not None
            raise OutOfMemoryError(
                requested_bytes, self.capacity_bytes, self.stats.allocated_bytes, self.stats.reserved_bytes
            )
        return block

    def _from_driver(self, pool: Pool, size: int) -> Block | None:
        """A new segment, or a block of an expandable one; None if the driver has too little left (`alloc_block`)."""
        segment_bytes = segment_size(size, self.settings)
        if self._allowed_bytes is not None and self.stats.reserved_bytes + segment_bytes > self._allowed_bytes:
            return None  # also if fewer pages of an expandable segment would be enough
        if self.settings.expandable_segments:
            return allocate_expandable(pool, self._driver, size, self._page_bytes(pool))
        if not self._driver.has(segment_bytes):
            return None
        return Block(self._driver.allocate(segment_bytes, pool.name), segment_bytes, pool.name)

    def _release_oversize(self, pool: Pool, size: int) -> bool:
        """Release oversize blocks, which segments that cudaMalloc gave can have, and say whether they are enough."""
        most_bytes = self.settings.max_split_bytes
        if most_bytes is None or self.settings.expandable_segments:
            return False
        return release_oversize(pool, self._driver, size, most_bytes)

    def _page_bytes(self, pool: Pool) -> int:
        return page_size(pool.name, self.settings)

    @property
    def _collects_garbage(self) -> bool:
        return self.settings.garbage_collection_threshold > 0 and self._allowed_bytes is not None

    def _collect_garbage(self) -> None:
        """Collect in the large pool, whatever pool the request is for."""
        assert self._allowed_bytes is not None
        target_bytes = int(self.settings.garbage_collection_threshold * self._allowed_bytes)
        if self.stats.reserved_bytes > target_bytes:
            collect_garbage(self._pools["large"], self._driver, self.stats.reserved_bytes - target_bytes)
