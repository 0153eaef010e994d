"""Conversion of bytes and percentages to and from text."""

import re

MIB = 1 << 20
GIB = 1 << 30
VISIBLE_BYTES = MIB // 20
"""Smaller sizes would be printed as "0.0 MiB"."""
ABSENT = "–"
"""Stands for a figure that does not exist, as opposed to zero and to running out of memory."""
ROUNDING = 1e-9
"""Rounding error, in percent, within which a growth counts as equal to its tolerance."""


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
    """Growth of a figure in percent; infinite if it was zero before."""
    if before == after:
        return 0.0
    return 100 * (after / before - 1) if before else float("inf")


def beyond(percent: float, tolerance_percent: float) -> bool:
    """Whether a growth exceeds its tolerance."""
    return percent > tolerance_percent + ROUNDING
