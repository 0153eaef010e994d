"""Our accuracy beside the paper's: columns for the paper's tables, and what their captions say of them."""

from collections.abc import Mapping, Sequence

import pandas as pd

from reports.accuracy.recipes import recipe_text
from reports.accuracy.spread import SPREAD_NOTE, cells_of
from reports.cells import Column, number, signed
from reports.ratios import FULL
from reports.records import label_of

VS_FULL_NOTE = "*vs Full* after an accuracy is in points."
Runs = Mapping[str, pd.DataFrame]
"""What a caption calls the trainings of a column -> those that stand in it."""


def accuracy_columns(heading: str, groups: Sequence[pd.Series], paper: pd.Series, digits: int) -> list[Column]:
    """Our accuracy and the published, both in percent, and how many points each lies above Full.

    Args:
        heading: What is measured, such as "VOC AP box".
        groups: Accuracies of our runs, for each row of the table; ours are compared with those of Full's row.
        paper: The published accuracy of each row; its index begins with the method's key.
        digits: Behind the point.
    """
    is_full = [key == FULL for key in paper.index.get_level_values(0)]
    means = pd.Series([group.mean() for group in groups], index=paper.index)
    ours, papers = ((values - values[is_full].iloc[0]).mask(is_full) for values in (means, paper))
    return [
        (heading, cells_of(groups, digits)),
        ("paper", number(paper, digits)),
        ("vs Full", signed(ours, digits)),
        ("paper", signed(papers, digits)),
    ]


def groups_by_base(runs: pd.DataFrame, bases: Sequence[str], metric: str) -> list[pd.Series]:
    """Accuracies of the runs of each method, in any of its forms, which compute the same; variants are left out."""
    whole = runs[runs["variant"] == ""]
    return [whole.loc[whole["base"] == base, metric] for base in bases]


def accuracy_note(runs: Runs) -> str:
    """What a caption says of the columns of accuracy: which of ours there are, of what, and how they came about."""
    there = {name: rows for name, rows in runs.items() if len(rows)}
    absent = [name for name in runs if name not in there]
    if not there:
        return (
            "AP and mIoU are **published**; ours are missing, because no training of these on the real data was "
            "evaluated."
        )
    parts = " ".join(f"{name}: {_run_text(rows)}." for name, rows in there.items())
    missing = f" No training of {' and '.join(absent)} was evaluated." if absent else ""
    return (
        "AP and mIoU of ours are **measured**: trainings of our own on the real data, evaluated on its validation "
        f"images, in percent; {SPREAD_NOTE}. {parts}{_forms_text(there)}{missing}"
    )


def _run_text(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    images, steps = number([first["images"], first["steps"]])
    return f"{images} images, after {steps} steps; {recipe_text(first['recipe'])}"


def _forms_text(runs: Runs) -> str:
    """Which forms the runs of methods with several had."""
    formed = pd.concat([rows[(rows["form"] != "") & (rows["variant"] == "")] for rows in runs.values()])
    said = [
        f"{label_of(base)}: {', '.join(sorted(set(rows['form'])))}" for base, rows in formed.groupby("base", sort=False)
    ]
    same = "All forms of a method compute the same function and share one accuracy; trained were"
    return f" {same} {'; '.join(said)}." if said else ""
