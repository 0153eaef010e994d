"""`max_split_size_mb` and `garbage_collection_threshold`, worked by hand."""

import pytest

from drystep.alloc_conf import AllocatorSettings
from drystep.memory.allocator import CachingAllocator, OutOfMemoryError

MIB = 1 << 20
NEVER_SPLIT = "max_split_size_mb:20"


def _allocator(text: str, capacity_mib: int | None = None, whole_card: bool = False) -> CachingAllocator:
    capacity_bytes = None if capacity_mib is None else capacity_mib * MIB
    return CachingAllocator(capacity_bytes, settings=AllocatorSettings.parse(text), whole_card=whole_card)


def _cache(allocator: CachingAllocator, *sizes_mib: int) -> None:
    """Leave segments of these sizes in the cache."""
    for block in [allocator.malloc(size * MIB) for size in sizes_mib]:
        allocator.free(block)


def _cached_mib(allocator: CachingAllocator) -> list[float]:
    return sorted(block.size_bytes / MIB for block in allocator.free_blocks())


def test_a_small_request_gets_no_oversize_block() -> None:
    allocator = _allocator(NEVER_SPLIT)
    _cache(allocator, 40)
    allocator.malloc(15 * MIB)
    assert allocator.stats.reserved_bytes == (40 + 16) * MIB
    assert _cached_mib(allocator) == [40]


@pytest.mark.parametrize(
    ("text", "requested", "allocated_mib", "reserved_mib"),
    [
        (NEVER_SPLIT, 25 * MIB, 40, 40),  # 40 is less than 25 + 20, and stays whole
        (NEVER_SPLIT, 20 * MIB + 512, 40, 40),
        (NEVER_SPLIT, 20 * MIB, 20, 60),  # 40 is not less than 20 + 20 (max_non_split_rounding_size): a new segment
        (f"{NEVER_SPLIT},max_non_split_rounding_mb:21", 20 * MIB, 40, 40),
        ("", 20 * MIB, 20, 40),  # split
    ],
)
def test_an_oversize_block_is_rounded_to_within_a_limit(
    text: str, requested: int, allocated_mib: int, reserved_mib: int
) -> None:
    allocator = _allocator(text)
    _cache(allocator, 40)
    block = allocator.malloc(requested)
    assert block.size_bytes == allocated_mib * MIB
    assert allocator.stats.reserved_bytes == reserved_mib * MIB


def test_one_oversize_block_that_is_large_enough_is_released() -> None:
    """60 and 24 MiB are cached and 84 + 30 exceed 100. 60 is too large for 30 MiB (30 + 20 are 50): it is released
    instead. That is no retry: the 24 MiB stay.
    """
    allocator = _allocator(NEVER_SPLIT, capacity_mib=100)
    _cache(allocator, 60, 24)
    allocator.malloc(30 * MIB)
    assert allocator.stats.reserved_bytes == (24 + 30) * MIB
    assert allocator.stats.alloc_retries == 0


def test_else_the_largest_are_released_until_they_are_enough() -> None:
    """30, 40 and 22 MiB are cached; 92 + 60 exceed 100. 40 and 30 together are 60 and more; the 22 stay."""
    allocator = _allocator(NEVER_SPLIT, capacity_mib=100)
    _cache(allocator, 30, 40, 22)
    allocator.malloc(60 * MIB)
    assert allocator.stats.reserved_bytes == (22 + 60) * MIB
    assert allocator.stats.alloc_retries == 0
    assert _cached_mib(allocator) == [22]


def test_too_few_oversize_blocks_are_released_before_the_retry() -> None:
    """30 MiB are cached beside 20 in use, less than the 70 that are wanted. They are released, and then the rest is."""
    allocator = _allocator(NEVER_SPLIT, capacity_mib=100)
    allocator.malloc(20 * MIB)
    _cache(allocator, 30)
    allocator.malloc(70 * MIB)
    assert allocator.stats.alloc_retries == 1
    assert allocator.stats.reserved_bytes == 90 * MIB


def test_small_requests_want_as_much_as_an_oversize_block() -> None:
    """For 1 KiB, max_split_size is what is wanted, but the small pool has no such block."""
    allocator = _allocator(NEVER_SPLIT, capacity_mib=50)
    _cache(allocator, 50)
    allocator.malloc(1024)
    assert allocator.stats.alloc_retries == 1
    assert allocator.stats.reserved_bytes == 2 * MIB
    allocator = _allocator(NEVER_SPLIT, capacity_mib=50)
    _cache(allocator, 26, 24)
    allocator.malloc(2 * MIB)  # the smallest of at least 20 MiB is 24; then 26 + 20 fit
    assert allocator.stats.alloc_retries == 0
    assert allocator.stats.reserved_bytes == 46 * MIB


COLLECTING = "garbage_collection_threshold:0.5"


def test_blocks_of_at_least_the_average_age_are_collected() -> None:
    """Lookups in the large pool: 1 for 30 MiB, freed at age 0; 2 for 32, freed; 3 for 40. Then the ages are 2 and 1,
    1.5 on average. 62 MiB exceed half of 100 by 12: the 30 MiB are enough.
    """
    allocator = _allocator(COLLECTING, capacity_mib=100)
    _cache(allocator, 30)
    _cache(allocator, 32)
    allocator.malloc(40 * MIB)
    assert allocator.stats.reserved_bytes == (32 + 40) * MIB
    assert allocator.stats.alloc_retries == 0
    assert _cached_mib(allocator) == [32]


def test_collecting_goes_on_with_younger_blocks() -> None:
    """20, 22 and 24 MiB have the ages 3, 2 and 1, on average 2. They exceed 50 MiB by 16: the first round frees 42.
    They exceed 20 MiB by 46, so that a second round frees the last one.
    """
    allocator = _allocator(COLLECTING, capacity_mib=100)
    for size_mib in (20, 22, 24):
        _cache(allocator, size_mib)
    allocator.malloc(30 * MIB)
    assert _cached_mib(allocator) == [24]
    allocator = _allocator("garbage_collection_threshold:0.2", capacity_mib=100)
    for size_mib in (20, 22, 24):
        _cache(allocator, size_mib)
    allocator.malloc(30 * MIB)
    assert _cached_mib(allocator) == []
    assert allocator.stats.reserved_bytes == 30 * MIB


def test_nothing_is_collected_up_to_the_threshold() -> None:
    allocator = _allocator(COLLECTING, capacity_mib=100)
    _cache(allocator, 50)
    allocator.malloc(50 * MIB)
    _cache(allocator, 20)
    assert allocator.stats.reserved_bytes == 70 * MIB


def test_blocks_in_use_and_split_ones_stay() -> None:
    allocator = _allocator(COLLECTING, capacity_mib=100)
    part = allocator.malloc(12 * MIB)
    _cache(allocator, 40)
    allocator.free(part)
    allocator.malloc(5 * MIB)  # cut from the 12: 7 are free and split
    allocator.malloc(45 * MIB)
    assert _cached_mib(allocator) == [7]


@pytest.mark.parametrize(("text", "capacity_mib", "whole_card"), [(COLLECTING, None, False), (COLLECTING, 100, True)])
def test_without_a_limit_nothing_is_collected(text: str, capacity_mib: int | None, whole_card: bool) -> None:
    """PyTorch collects only where `set_per_process_memory_fraction` allowed less than all."""
    allocator = _allocator(text, capacity_mib, whole_card)
    _cache(allocator, 30)
    _cache(allocator, 32)
    allocator.malloc(34 * MIB)
    assert allocator.stats.reserved_bytes == (30 + 32 + 34) * MIB


def test_expandable_segments_are_not_collected() -> None:
    allocator = _allocator(f"{COLLECTING},expandable_segments:True", capacity_mib=100)
    _cache(allocator, 60)
    allocator.malloc(61 * MIB)
    assert allocator.stats.reserved_bytes == 80 * MIB


def test_out_of_memory_with_every_setting() -> None:
    allocator = _allocator(f"{NEVER_SPLIT},{COLLECTING}", capacity_mib=60)
    allocator.malloc(30 * MIB)
    _cache(allocator, 22)
    with pytest.raises(OutOfMemoryError):
        allocator.malloc(40 * MIB)
    assert (allocator.stats.alloc_retries, allocator.stats.ooms) == (1, 1)
    assert allocator.stats.reserved_bytes == 30 * MIB
