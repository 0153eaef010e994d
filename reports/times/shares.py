"""Step times in percent of Full's, from steps that were timed in turns with Full's, and how sure these figures are.

A machine's speed changes from minute to minute, so that medians of different moments are never divided.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass

import pandas as pd

from reports.cells import MISSING
from reports.ratios import percent_above

CONFIDENCE_PERCENT = 90
"""Least confidence of the intervals that the cpu engine writes."""
NOT_IN_TURNS = "not in turns"
"""In the cell of a step that was timed, but not in turns with Full."""
UNSURE = "≈"
"""Before a figure whose place among its neighbours is not known."""
UNSURE_NOTE = (
    f"Where a cell begins with {UNSURE}, the interval of its median (at least {CONFIDENCE_PERCENT} % confidence; in "
    "brackets if there were at least five steps) overlaps that of another row, so that the order of the two is not "
    "known."
)
SHARES_NOTE = (
    f"*% of Full* is the median of ratios of steps that were timed in turns. {UNSURE_NOTE} {UNSURE} 100 is not told "
    "apart from Full."
)


@dataclass(frozen=True)
class Shares:
    """A figure per row, in percent, and the interval that holds it. All indices are equal."""

    percent: pd.Series
    low: pd.Series
    high: pd.Series
    timed: pd.Series
    """Whether the row was timed at all, in turns or not."""

    def above(self, base: Hashable) -> "Shares":
        """How many percent the figures lie above that of a row. The base itself is exactly zero above itself."""
        value, low, high = (self._at(part, base) for part in (self.percent, self.low, self.high))
        found = self._with(
            percent_above(self.percent, value), percent_above(self.low, high), percent_above(self.high, low)
        )
        return found.exactly(base, 0.0)

    def minus(self, base: Hashable) -> "Shares":
        """The figures less that of a row, in points. The base itself is exactly zero."""
        value, low, high = (self._at(part, base) for part in (self.percent, self.low, self.high))
        return self._with(self.percent - value, self.low - high, self.high - low).exactly(base, 0.0)

    def of(self, base: Hashable) -> "Shares | None":
        """The figures in percent of that of a row; None if noise does not tell that one from zero, or it is missing."""
        value, low, high = (self._at(part, base) for part in (self.percent, self.low, self.high))
        if not low > 0:
            return None
        least = self.low / self.low.map(lambda end: high if end >= 0 else low)
        most = self.high / self.high.map(lambda end: low if end >= 0 else high)
        return self._with(100 * self.percent / value, 100 * least, 100 * most).exactly(base, 100.0)

    def inverse(self) -> "Shares":
        """Speeds out of times: what takes half as long is twice as fast."""
        return self._with(1e4 / self.percent, 1e4 / self.high, 1e4 / self.low)

    def exactly(self, row: Hashable, value: float) -> "Shares":
        """The same, with one row, if it is there and was timed, that has no interval."""
        if row not in self.timed.index or not self.timed[row]:
            return self
        percent, low, high = self.percent.copy(), self.low.copy(), self.high.copy()
        percent[row] = low[row] = high[row] = value
        return self._with(percent, low, high)

    def _with(self, percent: pd.Series, low: pd.Series, high: pd.Series) -> "Shares":
        """Other figures of the same rows."""
        return Shares(percent, low, high, self.timed)

    def cells(self, exact: float, digits: int = 1, sign: bool = False) -> list[str]:
        """A cell per row. `exact` is the figure of the row that others are compared with: 100 for Full, else 0."""
        return [self._cell(number, exact, digits, "+" if sign else "") for number in range(len(self.percent))]

    def is_sure(self, number: int, exact: float) -> bool:
        """Whether the place of a row, by its number, is known among all others and beside the exact figure."""
        low, high = self.low.iloc[number], self.high.iloc[number]
        if pd.isna(low) or pd.isna(high):
            return False
        ends = zip(self.low, self.high, strict=True)
        others = [(low, high) for other, (low, high) in enumerate(ends) if other != number]
        return low == high or not any(low <= top and bottom <= high for bottom, top in (*others, (exact, exact)))

    def _cell(self, number: int, exact: float, digits: int, sign: str) -> str:
        value, low, high = (part.iloc[number] for part in (self.percent, self.low, self.high))
        if pd.isna(value):
            return NOT_IN_TURNS if self.timed.iloc[number] else MISSING
        if self.is_sure(number, exact):
            return _written(value, digits, sign)
        if pd.isna(low) or pd.isna(high):
            return f"{UNSURE} {_written(value, 0, sign)}"
        shown = exact if low <= exact <= high else value
        between = f"{_written(low, 0, sign)}{' to ' if sign else '-'}{_written(high, 0, sign)}"
        return f"{UNSURE} {_written(shown, 0, sign)} ({between})"

    @staticmethod
    def _at(part: pd.Series, row: Hashable) -> float:
        return float(part.get(row, math.nan))


def shares_of_full(rows: pd.DataFrame, full: Hashable = None, of: str = "relative") -> Shares:
    """What the engine found for each row; `full` is the label of Full's row, if there is one: it is exactly 100.

    `of` is "relative" for steps and "inference_relative" for inferences.
    """
    percent, low, high = (100 * pd.to_numeric(rows[f"{of}_{part}"]) for part in ("to_full", "low", "high"))
    return Shares(percent, low, high, rows["step_ms"].notna()).exactly(full, 100.0)


def _written(value: float, digits: int, sign: str) -> str:
    """A figure with thousands apart by a space, and no negative zero."""
    return f"{round(value, digits) + 0.0:{sign},.{digits}f}".replace(",", " ")
