"""The paper's Figure 1: parameters, memory and time of three ways to train, in percent of full fine-tuning.

The text that we worked from has the figure's caption and none of its numbers. They follow from the paper's Tables 1 to
3, in which full fine-tuning, adapter-tuning and E3VA have rows.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.cells import Column, number
from reports.forms import in_rows_of_the_paper, select_rows
from reports.paper_settings import single_shapes
from reports.ratios import FULL, percent_of_full
from reports.records import KEY, published
from reports.tables import TASKS, Table

PARADIGMS = {"full": "full fine-tuning", "adapter": "adapter-tuning", "e3va": "E3VA-tuning"}
"""Key of the method that stands for a way to train -> how the paper calls it."""
BACKBONES = {"voc": "swin_large", "ade20k": "swin_large", "coco": "swin_base"}
TIMED_CARD = "v100-32gb"
TITLE = "Figure 1. Parameters, memory and time of three ways to train"


@dataclass(frozen=True)
class Bar:
    """One way to train on one task."""

    task: str
    key: str
    paper: float
    """Percent of full fine-tuning as published; not a number where the paper has none."""
    ours: float
    """The same of our results; not a number where they lack it."""


@dataclass(frozen=True)
class Panel:
    """One quantity."""

    title: str
    how: str
    """What our figures are: counted, simulated or predicted."""
    digits: int
    """Behind the point, of percentages."""
    bars: Sequence[Bar]


def panels(frame: pd.DataFrame) -> list[Panel]:
    """The three panels, in the paper's order; none where no result of ours belongs into them."""
    shapes = single_shapes(frame)
    rows = {task: _rows(shapes, task) for task in TASKS}
    found = [
        Panel("parameters", "counted", 2, _bars(rows, _papers_parameters, lambda of_task: of_task["params"])),
        Panel("memory", "simulated", 1, _bars(rows, _papers_memory, lambda of_task: of_task["reserved_mib"])),
        Panel("time", f"predicted for a {TIMED_CARD}", 1, _bars(rows, _papers_time, _step_ms)),
    ]
    has_ours = any(not math.isnan(bar.ours) for panel in found for bar in panel.bars if bar.key != "full")
    return found if has_ours else []


def paradigms_table(frame: pd.DataFrame) -> Table | None:
    """The figure's numbers; nothing where none of ours belongs beside the paper's."""
    found = panels(frame)
    if not found:
        return None
    first = found[0].bars
    columns: list[Column] = [
        ("Way to train", [PARADIGMS[bar.key] for bar in first]),
        ("task", [TASKS[bar.task] for bar in first]),
    ]
    for panel in found:
        columns += [
            (f"{panel.title} %", number((bar.ours for bar in panel.bars), panel.digits)),
            ("paper", number((bar.paper for bar in panel.bars), panel.digits)),
        ]
    return Table(
        TITLE,
        "Percent of full fine-tuning (Full) on the same task. Columns headed *paper* are **published**: the text that "
        "we worked from has the figure's caption without its numbers, so they are computed from Tables 1 to 3, where "
        "Adapter stands for adapter-tuning. The paper has no memory of ADE20K. Ours are **counted** (parameters of the "
        f"backbone), **simulated** (reserved memory) and **predicted** (time of a step on a {TIMED_CARD}, while the "
        "paper's is that of a whole training); E3VA is its reference form.",
        columns,
    )


def _bars(
    rows: Mapping[str, pd.DataFrame], paper: Callable[[str], pd.Series], ours: Callable[[pd.DataFrame], pd.Series]
) -> list[Bar]:
    bars = []
    for task, of_task in rows.items():
        of_paper = paper(task)
        of_ours = percent_of_full(ours(of_task).astype(float)) if len(of_task) else pd.Series(dtype=float)
        bars += [Bar(task, key, of_paper.get(key, math.nan), of_ours.get(key, math.nan)) for key in PARADIGMS]
    return bars


def _rows(frame: pd.DataFrame, task: str) -> pd.DataFrame:
    if frame.empty:
        return frame
    rows = in_rows_of_the_paper(frame)
    return select_rows(rows, task=task, backbone=BACKBONES[task], engine="simulate", batch_size=2)


def _step_ms(rows: pd.DataFrame) -> pd.Series:
    return pd.Series({key: (of.get(TIMED_CARD) or {}).get("step_ms") for key, of in rows["predicted"].items()})


def _papers_parameters(task: str) -> pd.Series:
    return _above_full(_of_backbone(task)["params_delta_full_pct"])


def _papers_memory(task: str) -> pd.Series:
    if task == "ade20k":
        return pd.Series(dtype=float)  # the paper has its memory of VOC and COCO alone
    return _above_full(_of_backbone(task)["memory_delta_full_pct"])


def _papers_time(task: str) -> pd.Series:
    return published("table3_training_time").set_index(KEY)[f"{task}_pct_full"]


def _of_backbone(task: str) -> pd.DataFrame:
    """The paper's rows of a task's parameters and memory, with the task's own backbone alone."""
    table = published("table2_coco_swin_base" if task == "coco" else "table1_voc_ade20k_swin_large")
    return table.drop_duplicates(KEY).set_index(KEY)


def _above_full(delta_percent: pd.Series) -> pd.Series:
    """Percent of Full from how far each row lies above Full, which the paper leaves out for Full itself."""
    return 100 + delta_percent.where(delta_percent.index != FULL, 0.0)
