"""The paper's Figure 1 on the page: where its bars begin and end, in pixels down and percent across."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from reports.cells import number
from reports.paper.paradigms import PARADIGMS, Bar, Panel, panels
from reports.tables import TASKS

HEADING, ROW = 24, 38
"""Heights in pixels: of a task's name, and of a way to train with its name and both its bars."""
FULL_AT = 88.0
"""Percent of the width at which a bar of 100 % ends."""
MOST = 100 * 100 / FULL_AT
"""Percent of Full at which a bar leaves the picture."""


@dataclass(frozen=True)
class DrawnBar:
    """One way to train on one task: two bars, and its name with their figures above them."""

    key: str
    label: str
    top: int
    ours: float
    paper: float
    words: str


@dataclass(frozen=True)
class DrawnPanel:
    """One quantity."""

    title: str
    how: str
    headings: Sequence[tuple[str, int]]
    """Name of a task, and where it stands."""
    bars: Sequence[DrawnBar]
    height: int


def paradigms(frame: pd.DataFrame) -> list[DrawnPanel]:
    """The panels of the figure; none where no result of ours belongs into it."""
    return [_panel(panel) for panel in panels(frame)]


def _panel(panel: Panel) -> DrawnPanel:
    headings: list[tuple[str, int]] = []
    bars: list[DrawnBar] = []
    top = 0
    for task in dict.fromkeys(bar.task for bar in panel.bars):
        headings.append((TASKS[task], top + HEADING - 8))
        top += HEADING
        for bar in (bar for bar in panel.bars if bar.task == task):
            bars.append(_bar(bar, top, panel.digits))
            top += ROW
    return DrawnPanel(panel.title, panel.how, headings, bars, top)


def _bar(bar: Bar, top: int, digits: int) -> DrawnBar:
    ours, paper = number([bar.ours, bar.paper], digits)
    words = f"ours {ours}, paper {paper}"
    return DrawnBar(bar.key, PARADIGMS[bar.key], top, _across(bar.ours), _across(bar.paper), words)


def _across(percent: float) -> float:
    return 0.0 if math.isnan(percent) else round(min(percent, MOST) * FULL_AT / 100, 3)
