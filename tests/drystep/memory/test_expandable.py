"""Expandable segments: pages of 20 MiB (large pool) and 2 MiB (small pool), worked by hand."""

from hypothesis import given
from hypothesis import strategies as st

from drystep.alloc_conf import AllocatorSettings
from drystep.memory.allocator import CachingAllocator, OutOfMemoryError
from drystep.memory.block import Block
from drystep.memory.sizes import round_up

MIB = 1 << 20
EXPANDABLE = AllocatorSettings(expandable_segments=True)


def _allocator(capacity_mib: int | None = None) -> CachingAllocator:
    return CachingAllocator(None if capacity_mib is None else capacity_mib * MIB, settings=EXPANDABLE, whole_card=True)


def _take(allocator: CachingAllocator, *sizes_mib: float) -> list[Block]:
    return [allocator.malloc(int(size * MIB)) for size in sizes_mib]


def _cached(allocator: CachingAllocator) -> list[tuple[float, float]]:
    """Address, from the first page on, and size of the free blocks in MiB."""
    return sorted((block.address / MIB, block.size_bytes / MIB) for block in allocator.free_blocks())


def test_a_segment_grows_by_whole_pages() -> None:
    allocator = _allocator()
    (first,) = _take(allocator, 30)  # 2 pages, of which 10 MiB are left
    assert allocator.stats.reserved_bytes == 40 * MIB
    (second,) = _take(allocator, 8)  # from what is left: 2 MiB
    assert allocator.stats.reserved_bytes == 40 * MIB
    (third,) = _take(allocator, 15)  # needs 13 MiB more behind the 2 MiB: 1 page, of which 7 MiB are left
    assert allocator.stats.reserved_bytes == 60 * MIB
    assert [block.address for block in (first, second, third)] == [0, 30 * MIB, 38 * MIB]
    assert _cached(allocator) == [(53, 7)]
    assert allocator.stats.allocated_bytes == 53 * MIB


def test_the_small_pool_has_pages_of_2_mib() -> None:
    allocator = _allocator()
    _take(allocator, *[0.75] * 3)  # 2.25 MiB in one range: 2 pages; without expandable segments 3 MiB are 2 x 2 MiB
    assert allocator.stats.reserved_bytes == 4 * MIB
    assert [size for _, size in _cached(allocator)] == [1.75]


def test_a_block_that_cannot_grow_is_taken_first() -> None:
    """Of 15 MiB between allocations and 7 MiB at the end, 5 MiB are cut from the 15: the end counts as what it can
    grow to (`get_free_block`).
    """
    allocator = _allocator()
    _, hole, _ = _take(allocator, 20, 15, 18)  # 53 MiB in 3 pages
    allocator.free(hole)
    assert _cached(allocator) == [(20, 15), (53, 7)]
    _take(allocator, 5)
    assert _cached(allocator) == [(25, 10), (53, 7)]


def test_only_whole_pages_are_given_back() -> None:
    """A free block from 5 to 65 MiB covers the pages from 20 to 60. The two ends stay cached."""
    allocator = _allocator()
    _, middle, _ = _take(allocator, 5, 60, 15)
    allocator.free(middle)
    allocator.empty_cache()
    assert allocator.stats.reserved_bytes == 40 * MIB
    assert _cached(allocator) == [(5, 15), (60, 5)]


def test_a_gap_is_filled_again_at_the_lowest_address() -> None:
    allocator = _allocator()
    _, middle, _ = _take(allocator, 5, 60, 15)
    allocator.free(middle)
    allocator.empty_cache()  # unmapped: 20 to 60
    (block,) = _take(allocator, 30)  # 15 MiB before the gap, and 15 MiB that need a page of it
    assert block.address == 5 * MIB
    assert allocator.stats.reserved_bytes == 60 * MIB
    assert _cached(allocator) == [(35, 5), (60, 5)]
    (rest,) = _take(allocator, 30)  # 5 + 20 + 5 MiB: the last page of the gap joins both ends
    assert rest.address == 35 * MIB
    assert allocator.stats.reserved_bytes == 80 * MIB
    assert _cached(allocator) == []


def test_a_retry_moves_pages_to_where_they_are_needed() -> None:
    """45 MiB are 3 pages, 30 more (45 to 75) a fourth. After the 45 are freed, 50 MiB do not fit before the 30; behind
    them 45 more are needed, 3 pages of which a card with 100 MiB has 1. The retry unmaps the first 2 pages; the third
    has the first 5 MiB of the 30. Then 40 + 3 pages are 100 MiB.
    """
    allocator = _allocator(capacity_mib=100)
    first, _ = _take(allocator, 45, 30)
    allocator.free(first)
    assert allocator.stats.reserved_bytes == 80 * MIB
    (block,) = _take(allocator, 50)
    assert allocator.stats.alloc_retries == 1
    assert allocator.stats.reserved_bytes == 100 * MIB
    assert block.address == 75 * MIB
    assert _cached(allocator) == [(40, 5), (125, 15)]


def test_a_segment_without_memory_is_forgotten() -> None:
    allocator = _allocator()
    (block,) = _take(allocator, 30)
    allocator.free(block)
    allocator.empty_cache()
    assert (allocator.stats.reserved_bytes, allocator.free_blocks()) == (0, [])
    (again,) = _take(allocator, 30)
    assert again.address > block.address  # a new range
    assert allocator.stats.reserved_bytes == 40 * MIB


def test_a_limit_counts_what_a_segment_of_its_own_would_take() -> None:
    """10 MiB are free at the end of 2 pages. 25 MiB need 1 page more, which a card with 60 MiB has. Under a limit of
    60 MiB PyTorch asks for 26 MiB (25 rounded up to 2 MiB) first, which 40 + 26 exceed (`alloc_block`).
    """
    on_card = _allocator(capacity_mib=60)
    _take(on_card, 30, 25)
    assert on_card.stats.reserved_bytes == 60 * MIB
    limited = CachingAllocator(60 * MIB, settings=EXPANDABLE)
    limited.malloc(30 * MIB)
    try:
        limited.malloc(25 * MIB)
    except OutOfMemoryError:
        assert limited.stats.reserved_bytes == 40 * MIB
    else:
        raise AssertionError("the limit holds")


SIZES = st.one_of(st.integers(1, 3 * MIB), st.integers(MIB, 60 * MIB))


@given(st.lists(SIZES, max_size=40))
def test_without_frees_only_the_last_page_of_each_pool_has_room(sizes: list[int]) -> None:
    """What is reserved follows from the sums alone. So it is at most a page of each pool more than by default."""
    allocator, default = _allocator(), CachingAllocator()
    blocks = [allocator.malloc(size) for size in sizes]
    for size in sizes:
        default.malloc(size)
    small, large = (sum(block.size_bytes for block in blocks if block.pool == pool) for pool in ("small", "large"))
    assert allocator.stats.reserved_bytes == round_up(small, 2 * MIB) + round_up(large, 20 * MIB)
    assert allocator.stats.reserved_bytes < default.stats.reserved_bytes + 22 * MIB


@given(st.lists(st.one_of(SIZES, st.none()), max_size=60))
def test_last_in_first_out_needs_no_more_than_its_peak(steps: list[int | None]) -> None:
    """What is freed in the reverse order leaves no holes, so that the pages follow the highest sum of each pool."""
    allocator, default = _allocator(), CachingAllocator()
    stack: list[tuple[Block, Block]] = []
    peaks = {"small": 0, "large": 0}
    for size in steps:
        if size is not None:
            stack.append((allocator.malloc(size), default.malloc(size)))
        elif stack:
            ours, theirs = stack.pop()
            allocator.free(ours)
            default.free(theirs)
        for pool in peaks:
            peaks[pool] = max(peaks[pool], sum(block.size_bytes for block, _ in stack if block.pool == pool))
    assert allocator.stats.reserved_bytes == round_up(peaks["small"], 2 * MIB) + round_up(peaks["large"], 20 * MIB)
    assert allocator.stats.reserved_bytes < default.stats.peak_reserved_bytes + 22 * MIB
