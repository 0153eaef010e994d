"""Evaluations of trainings as one table: a row per trained model."""

import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.cells import MISSING
from reports.records import Record, method_key
from reports.units import MIB

METRICS = {
    "voc": {"AP box": "AP50"},
    "ade20k": {"mIoU": "mIoU"},
    "coco": {"AP box": "bbox_AP", "AP mask": "segm_AP"},
}
"""Task -> metric as the paper's tables call it -> its name in an evaluation, where it is between 0 and 1."""
NAMES = tuple(dict.fromkeys(name for of_task in METRICS.values() for name in of_task))
RECIPE = ("pretrained", "precision", "window", "recipe")
"""Fields of an evaluation that say how the model was trained."""
SETTINGS = ("task", "made_up", "backbone", "recipe", "train_images", "images", "steps", "is_whole")
"""Columns in which runs must agree for their accuracies to compare. `recipe` holds all fields of `RECIPE` as JSON."""
COSTS = {
    "measured_mib": ("memory", "measured_bytes", 1 / MIB),
    "simulated_mib": ("memory", "simulated_bytes", 1 / MIB),
    "measured_ms": ("time", "measured_step_ms", 1.0),
    "predicted_ms": ("time", "predicted_step_ms", 1.0),
}
"""Column -> part of an evaluation, its field, and the factor that makes its unit the column's."""
IDENTITY = ("method", "label", "base", "form", "variant", "seed", "device")
"""Columns that say which model was trained, and on which device."""


def runs_of(evaluations: Sequence[Record]) -> pd.DataFrame:
    """A row per run; of several evaluations of one method, seed and setting the last that was made.

    Beside `SETTINGS`, `IDENTITY` and `COSTS` there is a column for each of `NAMES`, in percent. What an evaluation
    lacks, or has as anything but a finite number, is missing.
    """
    columns = [*SETTINGS, *IDENTITY, *NAMES, *COSTS]
    rows = [_row(evaluation) for evaluation in sorted(evaluations, key=lambda of: str(of.get("created_at", "")))]
    return pd.DataFrame(rows, columns=columns).drop_duplicates([*SETTINGS, "method", "seed"], keep="last")


NO_RUNS = runs_of([])
"""Nothing was trained."""


def runs_of_paper(runs: pd.DataFrame, task: str, backbone: str) -> pd.DataFrame:
    """The runs that may stand beside the paper's: whole trainings on real data, all by the recipe of most methods."""
    of_task = runs[(runs["task"] == task) & (runs["backbone"] == backbone)]
    found = of_task[~of_task["made_up"].astype(bool) & of_task["is_whole"].astype(bool)]
    if found.empty:
        return found
    groups = [rows for _, rows in found.groupby(list(SETTINGS), sort=False, dropna=False)]
    return max(groups, key=lambda rows: rows["method"].nunique())


def _row(evaluation: Record) -> dict[str, Any]:
    return {
        "task": evaluation["task"],
        "made_up": evaluation["made_up"],
        "backbone": evaluation["backbone"],
        "recipe": json.dumps({name: evaluation.get(name) for name in RECIPE}),
        "train_images": _figure(evaluation, "images", "train"),
        "images": _figure(evaluation, "images", "val"),
        "steps": _number(evaluation.get("steps")),
        "is_whole": _number(evaluation.get("steps")) == _number(evaluation.get("of_steps")),
        "device": str(evaluation.get("device") or MISSING),
        **{name: evaluation[name] for name in ("method", "label", "form", "variant")},
        "base": method_key(evaluation["base"]),
        "seed": int(evaluation["seed"]),
        **_percentages(evaluation),
        **{name: _figure(evaluation, part, field) * factor for name, (part, field, factor) in COSTS.items()},
    }


def _percentages(evaluation: Record) -> dict[str, float]:
    of_task = METRICS.get(evaluation["task"], {})
    return {name: 100 * _figure(evaluation, "metrics", metric) for name, metric in of_task.items()}


def _figure(evaluation: Record, part: str, field: str) -> float:
    """A number of a part of an evaluation; not a number where there is none."""
    found = evaluation.get(part)
    return _number(found.get(field) if isinstance(found, dict) else None)


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else math.nan
