"""Expandable segments: ranges of addresses, of which pages get physical memory when a request needs them.

Follows `find_expandable_block`, `map_block`, `try_allocate_expandable_block` and `unmap_block` of
`c10/cuda/CUDACachingAllocator.cpp`. A range begins at a multiple of its pages' size, and mapped parts of it that are
free or allocated follow each other with unmapped ones as neighbouring blocks.
"""

from drystep.memory.block import Block, Pool
from drystep.memory.driver import Driver
from drystep.memory.sizes import round_up


def allocate_expandable(pool: Pool, driver: Driver, size_bytes: int, page_bytes: int) -> Block | None:
    """Map as many pages as a block of this size lacks, and return the free block, which the pool then lacks.

    Returns None where the driver has too little left. Pages that were mapped until then stay mapped.
    """
    block = _lowest_room(pool, driver, size_bytes, page_bytes)
    while not block.mapped or block.size_bytes < size_bytes:
        to_map = block if not block.mapped else block.following
        assert to_map is not None, "the room that was found is large enough"
        missing_bytes = size_bytes - (block.size_bytes if block.mapped else 0)
        mapped = _map(pool, driver, to_map, min(missing_bytes, to_map.size_bytes), page_bytes)
        if mapped is None:
            return None
        block = mapped
    pool.remove(block)
    return block


def release_pages(pool: Pool, driver: Driver, block: Block, page_bytes: int) -> None:
    """Unmap the pages that lie completely within a free block. What is left of it at both ends stays free."""
    start = round_up(block.address, page_bytes)
    end = (block.address + block.size_bytes) // page_bytes * page_bytes
    if start >= end:
        return
    pool.remove(block)
    if start > block.address:
        rest = block.split(start - block.address)
        pool.insert(block)
        block = rest
    if end < block.address + block.size_bytes:
        pool.insert(block.split(end - start))
    block.mapped = False
    block = pool.merged(block)
    if not block.whole_segment:  # else nothing of the segment is mapped: PyTorch gives its addresses back, too
        pool.insert(block)
    driver.unmap(start, end - start)


def growth_bytes(block: Block) -> int:
    """Size that a free block can grow to: its own, and that of unmapped addresses behind it."""
    behind = block.following
    return block.size_bytes + (behind.size_bytes if behind is not None and not behind.mapped else 0)


def _lowest_room(pool: Pool, driver: Driver, size_bytes: int, page_bytes: int) -> Block:
    """The first of the free and unmapped blocks, at the lowest address, that together are large enough."""
    for _, block in pool.unmapped:
        before = block.preceding
        first = before if before is not None and not before.allocated else block
        if _has_room(first, size_bytes):
            return first
    block = Block(*driver.address_range(page_bytes), pool.name, mapped=False)
    pool.insert(block)
    return block


def _has_room(block: Block | None, size_bytes: int) -> bool:
    room_bytes = 0
    while room_bytes < size_bytes and block is not None and not block.allocated:
        room_bytes += block.size_bytes
        block = block.following
    return room_bytes >= size_bytes


def _map(pool: Pool, driver: Driver, block: Block, size_bytes: int, page_bytes: int) -> Block | None:
    """Map the first pages of an unmapped block, and return the free block that they are then part of."""
    mapped_bytes = round_up(size_bytes, page_bytes)
    if not driver.has(mapped_bytes):
        return None
    pool.remove(block)
    if mapped_bytes < block.size_bytes:
        pool.insert(block.split(mapped_bytes))
    address = block.address
    block.mapped = True
    block = pool.merged(block)
    pool.insert(block)
    driver.map(address, mapped_bytes, pool.name)
    return block
