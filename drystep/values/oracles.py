"""What a simulated step cannot know: how many rows a mask selects, what a number on the GPU is.

Meta tensors have no values, so whoever simulates a step states these, and the simulation says what the step takes then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import dtype

ITEM = "item"
"""Name of reading a value on the host, in `Oracles.by_name` and on the command line."""
ROWS = "rows"


@dataclass(frozen=True)
class Oracles:
    """Stated answers for operators whose result depends on values. What is not stated is an error that names the line.

    `Oracles(rows=2000, by_name={"nms": 1000, "remove_small_boxes": 10**9}, item=1)`
    """

    rows: int | None = None
    """Rows that come out of `nonzero`, `where` with one argument, a boolean index, `masked_select`, `unique`,
    torchvision's `nms`, `repeat_interleave` and `bincount`. All but the last two give at most what goes in: a huge
    number states their worst case, in which everything is kept."""
    item: float | None = None
    """What every number on the device is when the host reads it: `.item()`, `if tensor:`, `.tolist()`, `.cpu()`."""
    by_name: Mapping[str, float] = field(default_factory=dict)
    """Answers that go before `rows` and `item`, by what asks: an operator (`nms`, `unique`, `item`; a boolean index
    asks `nonzero`), or else a function on the way to it (`remove_small_boxes`, `RoIHeads.forward`), the innermost."""

    def __post_init__(self) -> None:
        for name, value in {ROWS: self.rows, ITEM: self.item, **self.by_name}.items():
            if value is not None and not isinstance(value, int | float):
                raise ValueError(f"oracle {name} must be a number, not {value!r}")
        if self.rows is not None:
            as_count(ROWS, self.rows)


def as_count(name: str, value: float) -> int:
    """Turn an answer into a count of rows. Raises `ValueError` for what is none."""
    if value != int(value) or value < 0:
        raise ValueError(f"oracle {name} must be a whole number of rows from 0 on, not {value}")
    return int(value)


def as_item(value: float, dtype: "dtype") -> float | int | bool | complex:
    """Turn an answer into what `.item()` returns for a tensor of this type."""
    if dtype.is_complex:
        return complex(value)
    if dtype.is_floating_point:
        return float(value)
    return bool(value) if str(dtype) == "torch.bool" else int(value)
