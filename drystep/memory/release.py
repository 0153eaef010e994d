"""How the caching allocator gives cached memory back to the driver, from a few blocks to all of them.

Follows `garbage_collect_cached_blocks`, `release_available_cached_blocks` and `release_blocks` of
`c10/cuda/CUDACachingAllocator.cpp`.
"""

from drystep.memory.block import Block, Pool
from drystep.memory.driver import Driver
from drystep.memory.expandable import release_pages


def release_all(pool: Pool, driver: Driver, page_bytes: int | None) -> None:
    """Free every cached block that is a whole segment. Split segments stay, which is fragmentation.

    Of expandable segments, which have `page_bytes`, all pages without an allocation are unmapped.
    """
    for _, _, block in list(pool.free):
        if page_bytes is not None:
            release_pages(pool, driver, block, page_bytes)
        elif block.whole_segment:
            _free(pool, driver, block)


def release_oversize(pool: Pool, driver: Driver, size_bytes: int, max_split_bytes: int) -> bool:
    """Free one oversize block that is large enough, or else the largest ones until their sum is; say if it was.

    An oversize block has `max_split_bytes` or more, and is a whole segment, since it was never split.
    """
    wanted_bytes = max(size_bytes, max_split_bytes)
    at = pool.first_at_least(wanted_bytes)
    if at < len(pool.free):
        _free(pool, driver, pool.free[at][2])
        return True
    released_bytes = 0
    while released_bytes < wanted_bytes and pool.free and pool.free[-1][0] >= max_split_bytes:
        released_bytes += pool.free[-1][0]
        _free(pool, driver, pool.free[-1][2])
    return released_bytes >= wanted_bytes


def collect_garbage(pool: Pool, driver: Driver, excess_bytes: int) -> None:
    """Free the whole segments that were not used for longest, until the excess is gone.

    The age of a block is the number of lookups in its pool since it was freed. Each round frees all blocks of at least
    the average age.
    """
    candidates = [block for _, _, block in pool.free if block.whole_segment]
    total_age, reclaimed_bytes = sum(_age(pool, block) for block in candidates), 0
    while candidates and reclaimed_bytes < excess_bytes:
        average_age = total_age / len(candidates)
        old = [block for block in candidates if _age(pool, block) >= average_age]
        for block in old:
            reclaimed_bytes += block.size_bytes
            total_age -= _age(pool, block)
            candidates.remove(block)
            _free(pool, driver, block)


def _age(pool: Pool, block: Block) -> int:
    return pool.lookups - block.lookups_before


def _free(pool: Pool, driver: Driver, block: Block) -> None:
    pool.remove(block)
    driver.free(block.address, block.size_bytes)
