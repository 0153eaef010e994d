"""Forms of a method: which rows are the method itself, its reference form, or what the paper measured."""

import pandas as pd

REFERENCE = "reference"
"""The form out of plain modules, as the paper built it."""


def is_itself(frame: pd.DataFrame) -> pd.Series:
    """Whether each row is a method as it is by default, and not another form or a variant of one."""
    return frame["method"] == frame["base"]


def is_reference(frame: pd.DataFrame) -> pd.Series:
    """Whether each row is the reference form of a method in which nothing is changed."""
    return (frame["form"] == REFERENCE) & (frame["variant"] == "")


def is_as_published(frame: pd.DataFrame) -> pd.Series:
    """Whether each row belongs beside the paper's row of its base.

    That is the reference form where the frame has it, otherwise the method itself.
    """
    reference = is_reference(frame)
    return reference | (is_itself(frame) & ~frame["base"].isin(frame["base"][reference]))
