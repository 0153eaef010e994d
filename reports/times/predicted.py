"""Predicted times of one card, which stand before measured times of a CPU."""

import math

import pandas as pd

from reports.cells import Column, number
from reports.ratios import percent_of

PAPERS_CARD = "v100-32gb"
"""The card that the paper probably used."""

PREDICTED_NOTE = (
    f" The time on the {PAPERS_CARD} is **predicted**, for the case whose VOC memory stands beside it; the CPU's times "
    "after it are of a small case."
)


def card_times(predicted: pd.Series, card: str = PAPERS_CARD) -> pd.Series:
    """Milliseconds of a step on a card, a row per method; nothing where a row was not simulated."""
    times = [(of.get(card) or {}).get("step_ms") if isinstance(of, dict) else None for of in predicted]
    return pd.Series([math.nan if time is None else time for time in times], index=predicted.index, dtype=float)


def predicted_columns(predicted: pd.Series, base: object, share: str = "% of Full") -> list[Column]:
    """Predicted milliseconds on the paper's card, and the share of a base; no columns where nothing is predicted."""
    times = card_times(predicted)
    if times.isna().all():
        return []
    return [
        (f"{PAPERS_CARD} ms, predicted", number(times)),
        (share, number(percent_of(times, times.get(base, math.nan)), 1)),
    ]
