"""Cells of the tables of `validate`."""

from drystep.units import ABSENT


def percent(value: float | None, sign: str = "") -> str:
    """A percentage of two digits; with "+", always with its sign."""
    return ABSENT if value is None else f"{value:{sign}.2f} %"


def part(right: int, total: int) -> str:
    """How many of how many; nothing where there are none."""
    return f"{right}/{total}" if total else ABSENT
