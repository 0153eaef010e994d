"""Conversion of bytes and percentages to and from text."""

import re

MIB = 1 << 20
GIB = 1 << 30
VISIBLE_BYTES = MIB // 20
"""Smaller sizes would be printed as "0.0 MiB"."""
ABSENT = "–"
"""Stands for a figure that does not exist, as opposed to zero and to running out of memory."""
MOST_PERCENT = 1_000_000
"""Largest tolerance: a figure that may grow ten thousand times is not checked at all."""
LONGEST_SHOWN = 40
"""Characters of a bad text that an error repeats."""
ROUNDING = 1e-9
"""Rounding error, in percent, within which a growth counts as equal to its tolerance."""


def mib_text(size_bytes: int) -> str:
    """A size such as "1,024.0 MiB"."""
    return f"{size_bytes / MIB:,.1f} MiB"


def parse_percent(text: str) -> float:
    """Turn "1%" or "1" into 1.0. Raises `ValueError` for anything else, and for more than `MOST_PERCENT`."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%?", text)
    if not match:
        raise ValueError(f"tolerance {text[:LONGEST_SHOWN]!r} is not a percentage, such as 1%")
    percent = float(match[1])
    if percent > MOST_PERCENT:
        raise ValueError(f"tolerance {text[:LONGEST_SHOWN]!r} must be between 0% and {MOST_PERCENT}%")
    return percent


def growth_percent(before: float, after: float) -> float:
    """Growth of a figure in percent; infinite if it was zero before."""
    if before == after:
        return 0.0
    return 100 * (after / before - 1) if before else float("inf")


def beyond(percent: float, tolerance_percent: float) -> bool:
    """Whether a growth exceeds its tolerance."""
    return percent > tolerance_percent + ROUNDING
