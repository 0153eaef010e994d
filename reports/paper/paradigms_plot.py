"""The paper's Figure 1 as a picture: parameters, memory and time of three ways to train, the paper's beside ours."""

import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from reports.cells import number
from reports.paper.paradigms import PARADIGMS, Panel, panels
from reports.plots.figures import save
from reports.plots.method_colours import colours_of
from reports.tables import TASKS

BAR, GAP = 0.38, 0.7
"""Height of a bar, and room between two tasks, in rows of the picture."""
BESIDE = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
"""Behind a figure, so that no line runs through it."""
END = 128
"""Where the axis ends, in percent: figures stand beside the bars."""


def paradigms(frame: pd.DataFrame, path: Path) -> bool:
    """Bars in percent of full fine-tuning, a panel per quantity; False without a result of ours."""
    shown = panels(frame)
    if not shown:
        return False
    figure, axes = plt.subplots(1, len(shown), figsize=(14.0, 5.4), sharey=True)
    for axis, panel in zip(axes, shown, strict=True):
        _draw(axis, panel)
    places = _places(shown[0])
    axes[0].set_yticks(list(places.values()), [PARADIGMS[key] for _, key in places])
    axes[0].invert_yaxis()
    colours = colours_of(PARADIGMS)
    handles = [Patch(color=colours[key], label=name) for key, name in PARADIGMS.items()]
    handles += [
        Patch(facecolor="#666666", edgecolor="#666666", label="ours"),
        Patch(facecolor="white", edgecolor="#666666", hatch="////", label="the paper (published)"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    save(figure, path)
    return True


def _places(panel: Panel) -> dict[tuple[str, str], float]:
    """Task and method -> the middle of its row; tasks are apart from each other."""
    tasks = list(dict.fromkeys(bar.task for bar in panel.bars))
    return {(bar.task, bar.key): number + GAP * tasks.index(bar.task) for number, bar in enumerate(panel.bars)}


def _draw(axis: Axes, panel: Panel) -> None:
    places, colours = _places(panel), colours_of(PARADIGMS)
    for bar in panel.bars:
        at, colour = places[bar.task, bar.key], colours[bar.key]
        paper: dict[str, Any] = {"facecolor": "white", "hatch": "////"}
        for value, offset, look, absent in (
            (bar.ours, -BAR / 2, {"facecolor": colour}, "no result"),
            (bar.paper, BAR / 2, paper, "not published"),
        ):
            axis.barh(at + offset, _length(value), height=BAR, edgecolor=colour, linewidth=0.8, **look)
            words = absent if math.isnan(value) else number([value], panel.digits)[0]
            axis.text(_length(value) + 1.5, at + offset, words, va="center", fontsize=8, bbox=BESIDE)
    for task in dict.fromkeys(bar.task for bar in panel.bars):
        first = min(at for (of, _), at in places.items() if of == task)
        axis.text(1, first - BAR - 0.1, TASKS[task], va="bottom", fontsize=9, fontweight="bold", color="#444444")
    axis.set_xlim(0, END)
    axis.set_xticks([0, 25, 50, 75, 100])
    axis.set_title(f"{panel.title} ({panel.how})", fontsize=11)
    axis.set_xlabel("% of full fine-tuning on the same task")
    axis.axvline(100, color="#999999", linewidth=0.8, linestyle=":", zorder=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="y", length=0)


def _length(value: float) -> float:
    return 0.0 if math.isnan(value) else min(value, END)
