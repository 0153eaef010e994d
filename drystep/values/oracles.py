"""Stated answers to what a simulation cannot know: how many rows a mask selects, or what a number on the GPU is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from drystep.bounds import is_finite, shown

if TYPE_CHECKING:
    from torch import dtype

ITEM = "item"
"""Name of reading a value on the host, in `Oracles.by_name` and on the command line."""
ROWS = "rows"
MOST_ROWS = 10**12
"""Rows that an answer may state: more than any tensor has, and few enough that their bytes can be counted."""
MOST_LEVELS = 64
"""Lists within lists that an answer may have, as many as a tensor may have dimensions."""
LARGEST_NUMBER = 2.0**62
"""Largest answer of either sign: whole numbers and floats on the device can both hold it."""


@dataclass(frozen=True)
class Share:
    """A number of rows as a share of those that go in, such as a quarter of all proposals."""

    of_all: float
    """From 0 to 1."""

    def __post_init__(self) -> None:
        if not is_finite(self.of_all) or not 0 <= self.of_all <= 1:
            given = f"{100 * self.of_all:g} %" if isinstance(self.of_all, float) else shown(self.of_all)
            raise ValueError(f"a share of rows must be from 0 (0 %) to 1 (100 %), not {given}")

    def __str__(self) -> str:
        return f"{100 * self.of_all:g}%"


Answer: TypeAlias = "float | Share | Sequence[Answer]"
"""A number; a share of the rows; or several of these, which answer the questions of a step in turn. What is read as a
list of values is answered by a list as a whole."""


@dataclass(frozen=True)
class Oracles:
    """Stated answers for operators whose result depends on values. What is neither known nor stated is assumed.

    Example: `Oracles(rows=2000, by_name={"nms": 1000, "roi_heads.py:756": [512, 128], "grid_thw": [[1, 16, 16]]})`
    """

    rows: int | None = None
    """Number of rows that `nonzero`, `where` with one argument, a boolean index, `masked_select`, `unique`,
    torchvision's `nms`, `repeat_interleave` and `bincount` return. All but the last two return no more rows than they
    are given, so a huge number, of at most 10**12, states their worst case, in which everything is kept."""
    item: float | None = None
    """Value of every number on the device that the host reads, by `.item()`, `if tensor:`, `.tolist()` or `.cpu()`."""
    by_name: Mapping[str, Answer] = field(default_factory=dict)
    """Answers that take precedence over `rows` and `item`, by the name of an operator (`nms`, `unique`, `item`; a
    boolean index asks `nonzero`), or else of the innermost line (`roi_heads.py:756`) or function
    (`remove_small_boxes`, `RoIHeads.forward`) that leads to it."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Oracles":
        """Make oracles anew from what `dataclasses.asdict` made of them."""
        by_name = {name: _as_answer(answer) for name, answer in fields["by_name"].items()}
        return cls(fields["rows"], fields["item"], by_name)

    def __post_init__(self) -> None:
        for name, value in {ROWS: self.rows, ITEM: self.item}.items():
            if value is not None:
                _check_number(name, value)
        for name, answer in self.by_name.items():
            if answer is not None:
                _check(name, answer)
        if self.rows is not None:
            as_count(ROWS, self.rows)


def _as_answer(fields: Any) -> Answer:
    if isinstance(fields, Mapping):
        return Share(**fields)
    return [_as_answer(part) for part in fields] if isinstance(fields, list | tuple) else fields


def _check(name: str, answer: object, level: int = 0) -> None:
    """Raise `ValueError` for what is no answer."""
    if isinstance(answer, Share):
        return
    if isinstance(answer, list | tuple):
        if level == MOST_LEVELS:
            raise ValueError(f"oracle {name} states lists within lists, more than {MOST_LEVELS} deep")
        if not answer:
            raise ValueError(f"oracle {name} states no answer: give at least one")
        for part in answer:
            _check(name, part, level + 1)
        return
    _check_number(name, answer)


def _check_number(name: str, value: object) -> None:
    if isinstance(value, Share | list | tuple):
        given = value if isinstance(value, Share) else shown(value)
        raise ValueError(
            f"oracle {name} must be one number, not {given}: shares and lists answer for an operator, a function or a "
            "line"
        )
    if not isinstance(value, int | float):
        raise ValueError(f"oracle {name} must be a number, not {shown(value)}")
    # `item=True` answers a condition; a count refuses it where it is used.
    if not is_finite(value + 0) or abs(value) > LARGEST_NUMBER:
        raise ValueError(f"oracle {name} must be a number between -2**62 and 2**62, not {shown(value)}")


def as_count(name: str, value: object, limit: int | None = None) -> int:
    """Turn an answer into a number of rows, at most `limit`.

    Raises `ValueError` unless it is a whole number within its bounds, or a share where there is a limit.
    """
    if isinstance(value, Share):
        if limit is None:
            raise ValueError(f"oracle {name} must be a number of rows, not {value}: it has no limit to be a share of")
        return round(value.of_all * limit)
    if not isinstance(value, int | float) or not is_finite(value) or value != int(value) or not 0 <= value <= MOST_ROWS:
        raise ValueError(f"oracle {name} must be a whole number of rows from 0 to {MOST_ROWS}, not {shown(value)}")
    return int(value) if limit is None else min(int(value), limit)


def as_item(value: float, dtype: "dtype") -> float | int | bool | complex:
    """Turn an answer into the value that `.item()` returns for a tensor of this type."""
    if dtype.is_complex:
        return complex(value)
    if dtype.is_floating_point:
        return float(value)
    return bool(value) if str(dtype) == "torch.bool" else int(value)
