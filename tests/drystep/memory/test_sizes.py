"""Rounding with divisions between powers of two, worked by hand from `roundup_power2_next_division`."""

import pytest

from drystep.alloc_conf import AllocatorSettings
from drystep.memory.sizes import is_oversize, page_size, round_size, round_to_division, segment_size, worth_splitting

MIB = 1 << 20


@pytest.mark.parametrize(
    ("size", "divisions", "rounded"),
    [
        # From 1024 to 2048 in 4 steps of 1024 / 4 = 256: 1024, 1280, 1536, 1792. PyTorch's own example.
        (1200, 4, 1280),
        (1280, 4, 1280),
        (1281, 4, 1536),
        (1793, 4, 2048),  # the last step ends at the next power of two
        (1024, 4, 1024),
        # From 64 MiB in 2 steps of 32 MiB, and in 8 of 8 MiB.
        (65 * MIB, 2, 96 * MIB),
        (65 * MIB, 8, 72 * MIB),
    ],
)
def test_division(size: int, divisions: int, rounded: int) -> None:
    assert round_to_division(size, divisions) == rounded


@pytest.mark.parametrize(
    ("text", "requested", "block"),
    [
        ("", 5 * MIB + 1, 5 * MIB + 512),
        # 4 divisions count above 4 x 512 = 2048 bytes.
        ("roundup_power2_divisions:4", 1, 512),
        ("roundup_power2_divisions:4", 2048, 2048),
        ("roundup_power2_divisions:4", 2049, 2560),  # 2048 + 2048 / 4
        ("roundup_power2_divisions:4", 5 * MIB + 1, 6 * MIB),  # 4, 5, 6, 7 MiB
        ("roundup_power2_divisions:1", 5 * MIB + 1, 5 * MIB + 512),  # 1 is none
        # 4 divisions below 8 MiB, none from 8 to 16 MiB, 2 from there on: 16, 24 MiB.
        ("roundup_power2_divisions:[4:4,8:0,>:2]", 7 * MIB + 1, 8 * MIB),
        ("roundup_power2_divisions:[4:4,8:0,>:2]", 9 * MIB + 1, 9 * MIB + 512),
        ("roundup_power2_divisions:[4:4,8:0,>:2]", 17 * MIB, 24 * MIB),
    ],
)
def test_requests(text: str, requested: int, block: int) -> None:
    assert round_size(requested, AllocatorSettings.parse(text)) == block


def test_segments_and_pages_of_another_size() -> None:
    settings = AllocatorSettings.parse("large_segment_size_mb:64")
    assert [segment_size(size, settings) for size in (MIB, 2 * MIB, 10 * MIB)] == [2 * MIB, 64 * MIB, 10 * MIB]
    assert (page_size("small", settings), page_size("large", settings)) == (2 * MIB, 64 * MIB)


@pytest.mark.parametrize(
    ("text", "size", "rest", "pool", "splits"),
    [
        ("", 5 * MIB, MIB, "large", False),  # more than kSmallSize must be left
        ("", 5 * MIB, MIB + 512, "large", True),
        ("", MIB, 512, "small", True),
        ("expandable_segments:True", 5 * MIB, 512, "large", True),  # kMinBlockSize is enough in both pools
        ("expandable_segments:True", 5 * MIB, 511, "large", False),
        ("max_split_size_mb:20", 20 * MIB - 512, 9 * MIB, "large", True),
        ("max_split_size_mb:20", 20 * MIB, 9 * MIB, "large", False),
        ("max_split_size_mb:20,expandable_segments:True", 20 * MIB, 9 * MIB, "large", True),
    ],
)
def test_what_is_split(text: str, size: int, rest: int, pool: str, splits: bool) -> None:
    assert worth_splitting(size, rest, pool, AllocatorSettings.parse(text)) is splits


def test_oversize() -> None:
    settings = AllocatorSettings.parse("max_split_size_mb:20")
    assert [is_oversize(size, settings) for size in (20 * MIB - 512, 20 * MIB)] == [False, True]
    assert not is_oversize(1 << 50, AllocatorSettings())
