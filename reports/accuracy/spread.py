"""Accuracy over seeds: mean, spread and number of runs, in a cell."""

from collections.abc import Iterable

import pandas as pd

from reports.cells import MISSING, number

SPREAD_NOTE = "the mean, ± the standard deviation over seeds, and in brackets the number of runs"


def with_spread(values: pd.Series, digits: int) -> str:
    """`86.4 ± 0.2 (3)`, or `86.4 (1)` of one run; missing without one. The deviation is that of a sample (n - 1)."""
    known = values.dropna()
    if known.empty:
        return MISSING
    (mean,) = number([known.mean()], digits)
    spread = f" ± {known.std(ddof=1):.{digits}f}" if len(known) > 1 else ""
    return f"{mean}{spread} ({len(known)})"


def cells_of(groups: Iterable[pd.Series], digits: int) -> list[str]:
    """A cell for each group of runs."""
    return [with_spread(values, digits) for values in groups]
