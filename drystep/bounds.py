"""Numbers from outside, checked against the least and the most that they may be.

Without an upper bound a slip of the keyboard ends as an endless simulation, or as an overflow deep inside PyTorch.
"""

import math

MOST_TIME_LIMIT_S = 31 * 24 * 3600.0
"""31 days, in seconds: more than any step takes, and what every clock of the system can wait for."""
LONGEST_SHOWN = 40
"""Characters of a bad value that an error repeats."""


def require_whole(what: str, value: object, least: int, most: int, unit: str = "") -> int:
    """Return a whole number that is within its bounds. Raises `ValueError` that states them for anything else."""
    if type(value) is int and least <= value <= most:
        return value
    bounds = f"between {least} and {most} {unit}".rstrip()
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{what} must be a whole number {bounds}, got {shown(value)}")
    raise ValueError(f"{what} must be {bounds}, got {shown(value)}")


def require_time_limit(seconds: float) -> float:
    """Return a time limit that a clock can wait for. Raises `ValueError` for one that is not finite, or too long."""
    if not is_finite(seconds) or not 0 < seconds <= MOST_TIME_LIMIT_S:
        raise ValueError(
            f"the time limit must be more than 0 and at most {MOST_TIME_LIMIT_S:.0f} seconds (31 days), "
            f"got {shown(seconds)}"
        )
    return seconds


def is_finite(value: object) -> bool:
    """Whether a value is a number that arithmetic with floats can take; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def shown(value: object) -> str:
    """A value as an error repeats it, cut to a length that a line of a terminal can hold."""
    if isinstance(value, int) and value.bit_length() > 4 * LONGEST_SHOWN:
        digits = int((value.bit_length() - 1) * math.log10(2)) + 1  # Python does not write numbers of 4,300 digits out
        return f"a number of about {digits} digits"
    try:
        text = repr(value[: LONGEST_SHOWN + 1] if isinstance(value, str) else value)
    except (ValueError, RecursionError):  # such a number, or a circle, within what holds others
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= LONGEST_SHOWN + 2 else f"{text[:LONGEST_SHOWN]}..."
