"""Bytes and percent as people read and write them."""

import re

MIB = 1 << 20
GIB = 1 << 30
VISIBLE_BYTES = MIB // 20
"""Less would read "0.0 MiB"."""
ABSENT = "–"
"""A figure that there is not; a zero and an out-of-memory look different."""
ROUNDING = 1e-9
"""Percent by which arithmetic may miss a growth that equals its tolerance."""


def mib_text(size_bytes: int) -> str:
    """A size such as "1,024.0 MiB"."""
    return f"{size_bytes / MIB:,.1f} MiB"


def parse_percent(text: str) -> float:
    """Turn "1%" or "1" into 1.0. Raises `ValueError` for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", text)
    if not match:
        raise ValueError(f"tolerance {text!r} is not a percentage, such as 1%")
    return float(match[1])


def growth_percent(before: float, after: float) -> float:
    """By how many percent a figure grew; infinite where it was zero."""
    if before == after:
        return 0.0
    return 100 * (after / before - 1) if before else float("inf")


def beyond(percent: float, tolerance_percent: float) -> bool:
    """Whether a growth exceeds its tolerance."""
    return percent > tolerance_percent + ROUNDING
