"""Stated answers to what a simulation cannot know: how many rows a mask selects, or what a number on the GPU is.

Meta tensors have no values, so the user states them, and the simulation is of a step that meets these values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drystep.bounds import is_finite, shown

if TYPE_CHECKING:
    from torch import dtype

ITEM = "item"
"""Name of reading a value on the host, in `Oracles.by_name` and on the command line."""
ROWS = "rows"
MOST_ROWS = 10**12
"""Rows that an answer may state: more than any tensor has, and few enough that their bytes can be counted."""
LARGEST_NUMBER = 2.0**62
"""Largest answer of either sign: whole numbers and floats on the device can both hold it."""


@dataclass(frozen=True)
class Oracles:
    """Stated answers for operators whose result depends on values. What is not stated is an error that names the line.

    Example: `Oracles(rows=2000, by_name={"nms": 1000, "remove_small_boxes": 10**9}, item=1)`
    """

    rows: int | None = None
    """Number of rows that `nonzero`, `where` with one argument, a boolean index, `masked_select`, `unique`,
    torchvision's `nms`, `repeat_interleave` and `bincount` return. All but the last two return no more rows than they
    are given, so a huge number, of at most 10**12, states their worst case, in which everything is kept."""
    item: float | None = None
    """Value of every number on the device that the host reads, by `.item()`, `if tensor:`, `.tolist()` or `.cpu()`."""
    by_name: Mapping[str, float] = field(default_factory=dict)
    """Answers that take precedence over `rows` and `item`, by the name of an operator (`nms`, `unique`, `item`; a
    boolean index asks `nonzero`) or else of the innermost function that leads to it (`remove_small_boxes`,
    `RoIHeads.forward`)."""

    def __post_init__(self) -> None:
        for name, value in {ROWS: self.rows, ITEM: self.item, **self.by_name}.items():
            if value is None:
                continue
            if not isinstance(value, int | float):
                raise ValueError(f"oracle {name} must be a number, not {shown(value)}")
            # `item=True` answers a condition; a count refuses it below, or where it is used.
            if not is_finite(value + 0) or abs(value) > LARGEST_NUMBER:
                raise ValueError(f"oracle {name} must be a number between -2**62 and 2**62, not {shown(value)}")
        if self.rows is not None:
            as_count(ROWS, self.rows)


def as_count(name: str, value: float) -> int:
    """Turn an answer into a number of rows. Raises `ValueError` unless it is a whole number within its bounds."""
    if not is_finite(value) or value != int(value) or not 0 <= value <= MOST_ROWS:
        raise ValueError(f"oracle {name} must be a whole number of rows from 0 to {MOST_ROWS}, not {shown(value)}")
    return int(value)


def as_item(value: float, dtype: "dtype") -> float | int | bool | complex:
    """Turn an answer into the value that `.item()` returns for a tensor of this type."""
    if dtype.is_complex:
        return complex(value)
    if dtype.is_floating_point:
        return float(value)
    return bool(value) if str(dtype) == "torch.bool" else int(value)
