"""Growth in percent, and what of it is accepted."""

import re

ROUNDING = 1e-9
"""Percent by which arithmetic may miss a growth that equals its tolerance."""


def parse_percent(text: str) -> float:
    """Turn "1%" or "1" into 1.0. Raises `ValueError` for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", text)
    if not match:
        raise ValueError(f"tolerance {text!r} is not a percentage, such as 1%")
    return float(match[1])


def growth_percent(before: float, after: float) -> float:
    """By how much a figure grew; infinite where it was zero."""
    if before == after:
        return 0.0
    return 100 * (after / before - 1) if before else float("inf")


def beyond(percent: float, tolerance_percent: float) -> bool:
    """Whether a growth exceeds what it may be."""
    return percent > tolerance_percent + ROUNDING
