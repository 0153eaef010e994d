"""Blocks of the caching allocator and the pools that hold the free ones (`Block`, `BlockPool`)."""

from bisect import bisect_left, insort
from typing import Literal

PoolName = Literal["small", "large"]


class Block:
    """A range of one segment, allocated or free; neighbours are linked in address order."""

    __slots__ = ("address", "allocated", "following", "lookups_before", "mapped", "pool", "preceding", "size_bytes")

    def __init__(self, address: int, size_bytes: int, pool: PoolName, mapped: bool = True) -> None:
        self.address = address
        self.size_bytes = size_bytes
        self.pool = pool
        self.allocated = False
        self.mapped = mapped
        """Whether physical memory is behind it. Only a range of an expandable segment may lack it."""
        self.lookups_before = 0
        """Lookups in its pool before it was freed, from which its age follows (`gc_count_base`)."""
        self.preceding: Block | None = None
        self.following: Block | None = None

    @property
    def whole_segment(self) -> bool:
        """Whether the block is a whole segment. Only such a block can be returned to the driver."""
        return self.preceding is None and self.following is None

    def split(self, size_bytes: int) -> "Block":
        """Cut the block down to its low addresses, and return the rest, which is linked behind it."""
        rest = Block(self.address + size_bytes, self.size_bytes - size_bytes, self.pool, self.mapped)
        rest.preceding, rest.following = self, self.following
        if self.following is not None:
            self.following.preceding = rest
        self.following = rest
        self.size_bytes = size_bytes
        return rest


class Pool:
    """Free blocks by size, then by address, and the unmapped ranges of expandable segments by address."""

    def __init__(self, name: PoolName) -> None:
        self.name: PoolName = name
        self.free: list[tuple[int, int, Block]] = []
        self.unmapped: list[tuple[int, Block]] = []
        self.lookups = 0
        """Number of times that a free block was looked for (`get_free_blocks_call_count`)."""

    def insert(self, block: Block) -> None:
        """Add a block that is not allocated."""
        if block.mapped:
            block.lookups_before = self.lookups
            insort(self.free, (block.size_bytes, block.address, block))
        else:
            insort(self.unmapped, (block.address, block))

    def remove(self, block: Block) -> None:
        """Take out a block that is not allocated."""
        if block.mapped:
            del self.free[bisect_left(self.free, (block.size_bytes, block.address))]
        else:
            del self.unmapped[bisect_left(self.unmapped, (block.address,))]

    def first_at_least(self, size_bytes: int) -> int:
        """Index of the smallest free block of at least that size; among equals, of the lowest address."""
        return bisect_left(self.free, (size_bytes, -1))

    def merged(self, block: Block) -> Block:
        """Join a block that the pool does not hold with its neighbours that are like it, which the pool then lacks."""
        for neighbour in (block.preceding, block.following):
            if neighbour is None or neighbour.allocated or neighbour.mapped != block.mapped:
                continue
            self.remove(neighbour)
            low, high = (neighbour, block) if neighbour is block.preceding else (block, neighbour)
            low.size_bytes += high.size_bytes
            low.following = high.following
            if high.following is not None:
                high.following.preceding = low
            block = low
        return block
