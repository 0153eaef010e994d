"""Our trainings: every group of runs with its accuracy, and what its steps took beside what was said before."""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from reports.accuracy.recipes import recipe_text
from reports.accuracy.runs import NAMES, SETTINGS
from reports.accuracy.spread import SPREAD_NOTE, with_spread
from reports.cells import Column, number, signed
from reports.ratios import FULL, percent_above
from reports.records import label_of, labels
from reports.tables import TASKS, Table

DIGITS = 2
TITLES = {False: "Our trainings on real data", True: "Our trainings on made-up data"}
"""Whether the data is made up -> the table's title."""


class Group(NamedTuple):
    """Runs that differ in their seeds alone."""

    runs: pd.DataFrame
    full: pd.DataFrame
    """Runs of Full with the same data, backbone and recipe; none where there are none."""
    recipe: str
    """Its letter in this table."""


def trainings_tables(runs: pd.DataFrame) -> list[Table]:
    """A table of the runs on real data and one of those on made-up data, where there are any."""
    parts = {made_up: runs[runs["made_up"].astype(bool) == made_up] for made_up in TITLES}
    return [_table(made_up, part) for made_up, part in parts.items() if len(part)]


def _table(made_up: bool, runs: pd.DataFrame) -> Table:
    recipes = {recipe: _letter(number) for number, recipe in enumerate(dict.fromkeys(runs["recipe"]))}
    groups = list(_groups(runs, recipes))
    first = [group.runs.iloc[0] for group in groups]
    columns: list[Column] = [
        ("Method", [_label(row) for row in first]),
        ("task", [TASKS.get(row["task"], row["task"]) for row in first]),
        ("backbone", [row["backbone"] for row in first]),
        ("recipe", [group.recipe for group in groups]),
        ("steps", [_steps(row) for row in first]),
        ("images", number([row["images"] for row in first])),
        ("seeds", [", ".join(map(str, sorted(group.runs["seed"]))) for group in groups]),
    ]
    for name in NAMES:
        if runs[name].notna().any():
            columns += [
                (name, [with_spread(group.runs[name], DIGITS) for group in groups]),
                ("vs Full", signed([_above_full(group, name) for group in groups], DIGITS)),
            ]
    columns.append(("device", [", ".join(dict.fromkeys(group.runs["device"])) for group in groups]))
    for unit, measured, told, how, over in (
        ("MiB", "measured_mib", "simulated_mib", "simulated", "max"),
        ("step ms", "measured_ms", "predicted_ms", "predicted", "median"),
    ):
        ours, before = (pd.Series([group.runs[name].agg(over) for group in groups]) for name in (measured, told))
        columns += [
            (f"{unit}, measured", number(ours)),
            (f"{unit}, {how}", number(before)),
            (f"{how} vs measured %", signed(percent_above(before, ours))),
        ]
    return Table(TITLES[made_up], _caption(made_up, recipes), columns)


def _groups(runs: pd.DataFrame, recipes: dict[str, str]) -> Iterator[Group]:
    """In the order of the paper's tables; runs of one setting stand together."""
    order = {key: position for position, key in enumerate(labels())}
    for _, of_setting in runs.groupby(list(SETTINGS), sort=False, dropna=False):
        full = of_setting[of_setting["method"] == FULL]
        of_methods = [rows for _, rows in of_setting.groupby("method", sort=False)]
        for rows in sorted(of_methods, key=lambda rows: order.get(rows["base"].iloc[0], len(order))):
            yield Group(rows, full, recipes[rows["recipe"].iloc[0]])


def _label(row: pd.Series) -> str:
    """The method's name, with its form where it has several, because memory and time are the form's."""
    if row["variant"]:
        return str(row["label"])
    return label_of(row["base"]) + (f" ({row['form']})" if row["form"] else "")


def _steps(row: pd.Series) -> str:
    """Steps of the optimizer."""
    (steps,) = number([row["steps"]])
    return steps if row["is_whole"] else f"{steps}, unfinished"


def _above_full(group: Group, name: str) -> float | None:
    is_full = group.runs["method"].iloc[0] == FULL
    return None if is_full else float(group.runs[name].mean() - group.full[name].mean())


def _letter(number: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("A") + last)


def _caption(made_up: bool, recipes: dict[str, str]) -> str:
    what = (
        "Models trained here on sets of drawn shapes in the formats of the real data sets. Their accuracy shows that "
        "training and evaluation work; it says nothing about the real data and compares with no published figure."
        if made_up
        else "Models trained here on the real data sets."
    )
    metrics = (
        "VOC's AP is AP50 by the 11-point rule, COCO's is the mean over IoU .5 to .95, mIoU is that of ADE20K's classes"
    )
    told = "; ".join(f"{letter}: {recipe_text(recipe)}" for recipe, letter in recipes.items())
    return (
        f"{what} AP and mIoU are **measured** on the validation images, in percent: {SPREAD_NOTE}. {metrics}. *vs "
        "Full* is in points, to Full with the same backbone, recipe, steps and images. *MiB* are the training's peak, "
        "**measured** on the device (the largest over seeds) and **simulated** for it; *step ms* are the time of a "
        "step, **measured** with the wait for its images and **predicted** without (medians over seeds). "
        "Images are those of the validation. "
        f"Recipes: {told}."
    )
