"""A limit of GPU memory, as people write it."""

import re
from dataclasses import dataclass

from drystep.bounds import shown
from drystep.gpus.classes import select_gpu

UNITS = {
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
}  # fmt: skip
MOST_BYTES = UNITS["TiB"] << 10
"""1,024 TiB: more than any card has."""


@dataclass(frozen=True)
class Limit:
    """What PyTorch's allocator may reserve. The CUDA context comes on top, except in a GPU class, which leaves room."""

    text: str
    """As it was written."""
    size_bytes: int


def parse_limit(limit: str | int) -> Limit:
    """Turn "11 GiB", a number of bytes, or the name of a GPU class into a limit. Raises `ValueError` otherwise."""
    if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
        _require_possible(limit, limit)
        return Limit(f"{limit:,} bytes", limit)
    if isinstance(limit, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B)", limit.strip())
        if match and match[2] in UNITS and float(match[1]) > 0:
            size_bytes = float(match[1]) * UNITS[match[2]]
            _require_possible(limit, size_bytes)
            return Limit(limit, int(size_bytes))
        try:
            return Limit(limit, select_gpu(limit).usable_bytes)
        except ValueError as error:
            raise ValueError(
                f'memory limit {shown(limit)} is neither a size, such as "11 GiB", nor a GPU: {error}'
            ) from None
    raise ValueError(f'memory limit {shown(limit)} is neither a size, such as "11 GiB", nor the name of a GPU')


def _require_possible(limit: str | int, size_bytes: float) -> None:
    """Raise `ValueError` for a size that no card has."""
    if not 1 <= size_bytes <= MOST_BYTES:
        raise ValueError(f"memory limit {shown(limit)} must be between 1 byte and 1,024 TiB")
