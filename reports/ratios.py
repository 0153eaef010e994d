"""Percentages: how much of a base figures are, how far above it they lie, and how far above full fine-tuning."""

import math

import pandas as pd

FULL = "full"
"""Key of full fine-tuning, to which the paper's percentages refer."""


def percent_of(values: pd.Series, base: pd.Series | float) -> pd.Series:
    """Figures in percent of a base: one for all of them, or one for each."""
    return 100 * values / base


def percent_above(values: pd.Series, base: pd.Series | float) -> pd.Series:
    """How many percent figures lie above a base: one for all of them, or one for each. Less than the base is minus."""
    return 100 * (values / base - 1)


def percent_of_full(values: pd.Series) -> pd.Series:
    """Figures, indexed by method key, in percent of full fine-tuning's; nothing where that is missing."""
    return percent_of(values, values.get(FULL, math.nan))


def percent_above_full(values: pd.Series) -> pd.Series:
    """Percent above full fine-tuning of the same backbone; nothing where that is missing.

    The index is the method's key, or pairs of that and a backbone.
    """
    if values.index.nlevels == 1:
        return percent_above(values, values.get(FULL, math.nan))
    full = {backbone: value for (key, backbone), value in values.items() if key == FULL}
    of_same = pd.Series([full.get(backbone, math.nan) for _, backbone in values.index], index=values.index)
    return percent_above(values, of_same)
