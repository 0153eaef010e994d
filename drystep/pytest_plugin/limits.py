"""A limit of GPU memory, as people write it."""

import re
from dataclasses import dataclass

from drystep.gpus.classes import read_gpus

UNITS = {
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
}  # fmt: skip


@dataclass(frozen=True)
class Limit:
    """What PyTorch's allocator may reserve. The CUDA context comes on top, except in a GPU class, which leaves room."""

    text: str
    """As it was written."""
    size_bytes: int


def parse_limit(limit: str | int) -> Limit:
    """Turn "11 GiB", a number of bytes, or the name of a GPU class into a limit. Raises `ValueError` otherwise."""
    if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
        return Limit(f"{limit:,} bytes", limit)
    if isinstance(limit, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B)", limit.strip())
        if match and match[2] in UNITS and float(match[1]) > 0:
            return Limit(limit, int(float(match[1]) * UNITS[match[2]]))
        gpus = read_gpus()
        if limit in gpus:
            return Limit(limit, gpus[limit].usable_bytes)
    raise ValueError(f'memory limit {limit!r} is neither a size, such as "11 GiB", nor a GPU: {", ".join(read_gpus())}')
