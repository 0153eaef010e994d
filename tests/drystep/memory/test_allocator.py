"""Every boundary of PyTorch's caching allocator, from its source, and its laws over random traces."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drystep.alloc_conf import AllocatorSettings
from drystep.memory.allocator import CachingAllocator, OutOfMemoryError
from drystep.memory.block import Block
from drystep.memory.sizes import round_size, segment_size

MIB = 1 << 20


@pytest.mark.parametrize(
    ("requested", "block"), [(1, 512), (511, 512), (512, 512), (513, 1024), (MIB, MIB), (MIB + 1, MIB + 512)]
)
def test_requests_round_up_to_512(requested: int, block: int) -> None:
    assert round_size(requested) == block


@pytest.mark.parametrize(
    ("block", "segment"),
    [
        (512, 2 * MIB),
        (MIB, 2 * MIB),  # the largest of the small pool
        (MIB + 512, 20 * MIB),  # the smallest of the large pool
        (10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB),  # from here on segments of their own
        (10 * MIB + 512, 12 * MIB),
        (21 * MIB, 22 * MIB),
    ],
)
def test_segments(block: int, segment: int) -> None:
    assert segment_size(block) == segment
    allocator = CachingAllocator()
    allocator.malloc(block)
    assert allocator.stats.reserved_bytes == segment


def test_ten_mib_less_one_byte_rounds_to_ten_mib_before_its_segment_is_chosen() -> None:
    allocator = CachingAllocator()
    allocator.malloc(10 * MIB - 1)
    assert allocator.stats.reserved_bytes == 10 * MIB
    allocator.malloc(10 * MIB - 512)
    assert allocator.stats.reserved_bytes == 30 * MIB


def test_small_blocks_split_down_to_512_bytes() -> None:
    allocator = CachingAllocator()
    first = allocator.malloc(MIB)
    second = allocator.malloc(MIB - 512)
    assert first.size_bytes + second.size_bytes == 2 * MIB - 512
    assert [block.size_bytes for block in allocator.free_blocks()] == [512]
    assert allocator.malloc(512).size_bytes == 512
    assert allocator.stats.reserved_bytes == 2 * MIB


@pytest.mark.parametrize(
    ("requested", "allocated", "left"),
    [
        (19 * MIB, 20 * MIB, []),  # a rest of exactly 1 MiB is not split off: it counts as allocated
        (19 * MIB - 512, 19 * MIB - 512, [MIB + 512]),
    ],
)
def test_large_blocks_split_off_more_than_one_mib(requested: int, allocated: int, left: list[int]) -> None:
    allocator = CachingAllocator()
    allocator.free(allocator.malloc(20 * MIB))
    assert allocator.malloc(requested).size_bytes == allocated
    assert allocator.stats.allocated_bytes == allocated
    assert allocator.stats.requested_bytes == requested
    assert [block.size_bytes for block in allocator.free_blocks()] == left


def test_best_fit_then_lowest_address() -> None:
    allocator = CachingAllocator()
    blocks = [allocator.malloc(size * MIB) for size in (40, 30, 30, 20)]
    for block in blocks:
        allocator.free(block)
    assert allocator.malloc(25 * MIB).address == blocks[1].address
    assert allocator.malloc(29 * MIB).address == blocks[2].address


def test_pools_do_not_mix() -> None:
    allocator = CachingAllocator()
    allocator.free(allocator.malloc(20 * MIB))
    allocator.malloc(MIB)
    assert allocator.stats.reserved_bytes == 22 * MIB


def test_neighbours_merge_in_any_order() -> None:
    for order in ([0, 1, 2], [0, 2, 1], [1, 0, 2], [2, 1, 0]):
        allocator = CachingAllocator()
        blocks = [allocator.malloc(4 * MIB) for _ in range(3)]
        for index in order:
            allocator.free(blocks[index])
        (whole,) = allocator.free_blocks()
        assert whole.size_bytes == 20 * MIB
        assert whole.whole_segment


def test_freeing_gives_nothing_back_to_the_driver() -> None:
    allocator = CachingAllocator()
    allocator.free(allocator.malloc(50 * MIB))
    assert allocator.stats.allocated_bytes == 0
    assert allocator.stats.reserved_bytes == 50 * MIB


def test_retry_releases_whole_segments_and_counts() -> None:
    allocator = CachingAllocator(capacity_bytes=60 * MIB)
    allocator.free(allocator.malloc(30 * MIB))
    allocator.malloc(40 * MIB)  # does not fit beside the cached 30
    assert allocator.stats.alloc_retries == 1
    assert allocator.stats.ooms == 0
    assert allocator.stats.reserved_bytes == 40 * MIB
    assert allocator.stats.peak_reserved_bytes == 40 * MIB


def test_split_segments_are_not_released() -> None:
    """Fragmentation: half of a segment is free, but the other half lives."""
    allocator = CachingAllocator(capacity_bytes=40 * MIB)
    first, second = allocator.malloc(8 * MIB), allocator.malloc(8 * MIB)
    allocator.free(first)
    with pytest.raises(OutOfMemoryError, match=f"{22 * MIB} bytes requested, capacity {40 * MIB}"):
        allocator.malloc(22 * MIB)
    assert allocator.stats.alloc_retries == 1
    assert allocator.stats.ooms == 1
    assert allocator.stats.reserved_bytes == 20 * MIB
    allocator.free(second)
    allocator.malloc(22 * MIB)
    assert allocator.stats.reserved_bytes == 22 * MIB


def test_a_capacity_is_reached_exactly() -> None:
    allocator = CachingAllocator(capacity_bytes=20 * MIB)
    allocator.malloc(20 * MIB)
    assert allocator.stats.alloc_retries == 0
    with pytest.raises(OutOfMemoryError):
        allocator.malloc(1)


def test_after_an_oom_it_goes_on() -> None:
    allocator = CachingAllocator(capacity_bytes=20 * MIB)
    with pytest.raises(OutOfMemoryError):
        allocator.malloc(30 * MIB)
    allocator.malloc(15 * MIB)
    assert allocator.stats.reserved_bytes == 16 * MIB


def test_wrong_use_is_refused() -> None:
    allocator = CachingAllocator()
    block = allocator.malloc(5)
    allocator.free(block)
    with pytest.raises(ValueError, match="is not allocated"):
        allocator.free(block)
    with pytest.raises(ValueError, match="requests of 0 bytes"):
        allocator.malloc(0)
    with pytest.raises(ValueError, match="capacity_bytes must be positive, not 0"):
        CachingAllocator(0)


SIZES = st.one_of(st.integers(1, 4096), st.integers(1, 3 * MIB), st.integers(MIB, 40 * MIB))


CONFIGURATIONS = (
    "",
    "expandable_segments:True",
    "max_split_size_mb:20",
    "garbage_collection_threshold:0.5",
    "roundup_power2_divisions:4",
    "large_segment_size_mb:11",
    "expandable_segments:True,max_split_size_mb:25,garbage_collection_threshold:0.3,roundup_power2_divisions:[1:2,>:8]",
)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.tuples(st.booleans(), SIZES, st.integers(0, 10**6)), max_size=120),
    capacity=st.sampled_from([None, 30 * MIB, 100 * MIB]),
    text=st.sampled_from(CONFIGURATIONS),
    whole_card=st.booleans(),
)
def test_blocks_neither_overlap_nor_vanish(
    steps: list[tuple[bool, int, int]], capacity: int | None, text: str, whole_card: bool
) -> None:
    allocator = CachingAllocator(capacity, settings=AllocatorSettings.parse(text), whole_card=whole_card)
    alive: list[tuple[Block, int]] = []
    for wants, size, pick in steps:
        if wants or not alive:
            try:
                alive.append((allocator.malloc(size), size))
            except OutOfMemoryError:
                assert capacity is not None
        else:
            allocator.free(alive.pop(pick % len(alive))[0])
        blocks = [block for block, _ in alive]
        stats, cached = allocator.stats, allocator.free_blocks()
        ranges = sorted((block.address, block.address + block.size_bytes) for block in blocks + cached)
        assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
        assert stats.allocated_bytes == sum(block.size_bytes for block in blocks)
        assert stats.requested_bytes == sum(size for _, size in alive)
        assert stats.reserved_bytes == stats.allocated_bytes + sum(block.size_bytes for block in cached)
        assert all(block.size_bytes >= size for block, size in alive)
        assert capacity is None or stats.reserved_bytes <= capacity
        assert not any(
            not neighbour.allocated and neighbour.mapped
            for block in cached
            for neighbour in (block.preceding, block.following)
            if neighbour
        )  # free neighbours have merged
    for block, _ in alive:
        allocator.free(block)
    assert "expandable" in text or all(block.whole_segment for block in allocator.free_blocks())
    allocator.empty_cache()
    assert allocator.free_blocks() == []
    assert (allocator.stats.reserved_bytes, allocator.stats.allocated_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("cached", "wanted", "segment"), [(512, 21 * MIB, 22 * MIB), (MIB, 22 * MIB, 22 * MIB), (22 * MIB, 512, 2 * MIB)]
)
def test_retry_releases_both_pools(cached: int, wanted: int, segment: int) -> None:
    """A segment of one pool is in the way of another pool's: 22 and 2 MiB do not fit into 22 MiB."""
    allocator = CachingAllocator(capacity_bytes=22 * MIB)
    allocator.free(allocator.malloc(cached))
    allocator.malloc(wanted)
    assert (allocator.stats.alloc_retries, allocator.stats.ooms) == (1, 0)
    assert allocator.stats.reserved_bytes == segment
    assert all(block.pool == ("small" if wanted <= MIB else "large") for block in allocator.free_blocks())
