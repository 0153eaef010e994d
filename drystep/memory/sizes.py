"""Sizes of blocks and segments for a request (`round_size`, `get_allocation_size`, `should_split`)."""

from drystep.alloc_conf import AllocatorSettings
from drystep.memory.block import PoolName

MIN_BLOCK_BYTES = 512
"""kMinBlockSize: every request is rounded up to a multiple of it."""
SMALL_BYTES = 1 << 20
"""kSmallSize: requests up to this size are served from the small pool."""
SMALL_SEGMENT_BYTES = 2 << 20
"""kSmallBuffer: segments, and pages of expandable segments, of the small pool."""
MIN_LARGE_BYTES = 10 << 20
"""kMinLargeAlloc: a request of this size or more gets a segment of its own size."""
LARGE_ROUNDING_BYTES = 2 << 20
"""kRoundLarge: the size of such a segment is rounded up to a multiple of it."""
DEFAULT_SETTINGS = AllocatorSettings()


def round_size(requested_bytes: int, settings: AllocatorSettings = DEFAULT_SETTINGS) -> int:
    """Size of the block that serves a request of this many bytes."""
    divisions = settings.divisions(requested_bytes)
    if divisions > 1 and requested_bytes > MIN_BLOCK_BYTES * divisions:
        return round_to_division(requested_bytes, divisions)
    return max(MIN_BLOCK_BYTES, round_up(requested_bytes, MIN_BLOCK_BYTES))


def round_to_division(size_bytes: int, divisions: int) -> int:
    """Round up to the next of `divisions` equal steps between two powers of two (`roundup_power2_next_division`)."""
    floor = 1 << (size_bytes.bit_length() - 1)
    return round_up(size_bytes, floor // divisions)


def segment_size(block_bytes: int, settings: AllocatorSettings = DEFAULT_SETTINGS) -> int:
    """Size of the segment to request from the driver for a block, where no cached block is large enough."""
    if block_bytes <= SMALL_BYTES:
        return SMALL_SEGMENT_BYTES
    if block_bytes < MIN_LARGE_BYTES:
        return settings.large_segment_bytes
    return round_up(block_bytes, LARGE_ROUNDING_BYTES)


def page_size(pool: PoolName, settings: AllocatorSettings) -> int:
    """Size of the pages of physical memory of an expandable segment (`find_expandable_block`)."""
    return SMALL_SEGMENT_BYTES if pool == "small" else settings.large_segment_bytes


def worth_splitting(size_bytes: int, rest_bytes: int, pool: PoolName, settings: AllocatorSettings) -> bool:
    """Whether a free block is cut down to `size_bytes`, so that the rest of it stays free (`should_split`)."""
    if pool == "small" or settings.expandable_segments:
        return rest_bytes >= MIN_BLOCK_BYTES
    return not is_oversize(size_bytes, settings) and rest_bytes > SMALL_BYTES


def is_oversize(size_bytes: int, settings: AllocatorSettings) -> bool:
    """Whether a size is that of blocks that are never split (`max_split_size`)."""
    return settings.max_split_bytes is not None and size_bytes >= settings.max_split_bytes


def round_up(size_bytes: int, step_bytes: int) -> int:
    """The smallest multiple of a step that is at least this size."""
    return -(-size_bytes // step_bytes) * step_bytes
