"""How figures are written into cells. A missing figure, a zero and an out-of-memory look different."""

from collections.abc import Iterable

import pandas as pd

MISSING = "–"
OOM = "OOM"
VERDICTS = {"fits": "yes", "fits_with_retries": "yes, retries", "oom": OOM}
"""Verdict -> its cell; any other stands there by its name."""

Column = tuple[str, list[str]]
"""Heading and cells."""


def number(values: Iterable[float | None], digits: int = 0) -> list[str]:
    """Thousands apart by a space."""
    return [MISSING if pd.isna(value) else f"{value:,.{digits}f}".replace(",", " ") for value in values]


def signed(values: Iterable[float | None], digits: int = 1) -> list[str]:
    """Differences: always with a sign, and no negative zero."""
    return [
        MISSING if value is None or pd.isna(value) else f"{round(value, digits) + 0.0:+.{digits}f}" for value in values
    ]


def text(values: Iterable[object]) -> list[str]:
    """As it stands in the source."""
    return [MISSING if pd.isna(value) else str(value) for value in values]


def verdict(name: str | None) -> str:
    """Whether a case fits a card."""
    return MISSING if name is None else VERDICTS.get(name, name.replace("_", " "))
