"""Stacked bars per method and task: where memory goes, and where time goes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from reports.plots.figures import PARTS, label, panels, save
from reports.records import label_of
from reports.units import GIB, MIB

OPERATOR_CLASSES = {
    "products": ("matrix products", "#332288"),
    "convolutions": ("convolutions", "#882255"),
    "norms": ("softmax, layer norm", "#88ccee"),
    "elementwise": ("elementwise", "#ddaa33"),
    "copies": ("copies", "#117733"),
    "optimizer": ("optimizer", "#999933"),
    "launches": ("waiting for the host", "#bbbbbb"),
}
KINDS = {
    "products": ("linear", "bmm", "attention"),
    "convolutions": ("conv",),
    "norms": ("softmax", "layer_norm", "layer_norm_backward"),
    "elementwise": ("elementwise", "broadcast", "dropout"),
    "copies": ("copy", "gather"),
    "optimizer": ("optimizer",),
}
"""Class of operators in the picture -> kinds of a prediction."""
TIMED_CARD = "v100-32gb"
VISIBLE_MS = 2.0
"""Smallest part of a bar that can be seen."""
VISIBLE_BYTES = 8 * MIB
"""As much of memory."""


def breakdown(frame: pd.DataFrame, path: Path) -> bool:
    """Stacked bars: what was alive at the peak, per method and task; False without data."""
    bars = []
    for title, rows in panels(frame):
        known = [(method, of) for method, of in zip(rows["method"], rows["at_peak"], strict=True) if of]
        if known:
            sizes = [{part: of.get(part, 0) / GIB for part in PARTS} for _, of in known]
            bars.append((title, [method for method, _ in known], sizes))
    return _stacked(bars, PARTS, VISIBLE_BYTES / GIB, "GiB allocated at the peak (simulated)", path)


def time_by_operator(frame: pd.DataFrame, path: Path) -> bool:
    """Stacked bars: predicted time of a step by class of operator, per method and task; False without data."""
    bars = []
    for title, rows in panels(frame):
        timed = [(row["method"], row["predicted"].get(TIMED_CARD) or {}) for _, row in rows.iterrows()]
        known = [(method, _by_class(time)) for method, time in timed if time.get("by_kind_ms")]
        if known:
            bars.append((title, [method for method, _ in known], [parts for _, parts in known]))
    axis_label = f"milliseconds of a step on a {TIMED_CARD} (predicted)"
    return _stacked(bars, OPERATOR_CLASSES, VISIBLE_MS, axis_label, path)


def _by_class(time: dict[str, Any]) -> dict[str, float]:
    kinds = time["by_kind_ms"]
    parts = {name: sum(kinds.get(kind) or 0.0 for kind in of) for name, of in KINDS.items()}
    return {**parts, "launches": time.get("launch_bound_ms") or 0.0}


def _stacked(
    panels: Sequence[tuple[str, Sequence[str], Sequence[dict[str, float]]]],
    looks: dict[str, tuple[str, str]],
    visible: float,
    axis_label: str,
    path: Path,
) -> bool:
    """A panel per title: a bar per method, a part for each look that can be seen somewhere."""
    if not panels:
        return False
    # Legend entries for nothing would only puzzle.
    everything = [parts for _, _, bars in panels for parts in bars]
    shown = {part: look for part, look in looks.items() if any(parts[part] >= visible for parts in everything)}
    figure, axes = plt.subplots(1, len(panels), figsize=(5.2 * len(panels), 5.0), squeeze=False)
    for axis, (title, methods, bars) in zip(axes[0], panels, strict=True):
        names = [label(label_of(method)) for method in methods][::-1]
        left = [0.0] * len(names)
        for part, (legend, colour) in shown.items():
            widths = [parts[part] for parts in bars][::-1]
            axis.barh(names, widths, left=left, color=colour, label=legend, height=0.75)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        axis.set_title(title, fontsize=11)
        axis.set_xlabel(axis_label)
        axis.spines[["top", "right"]].set_visible(False)
    handles, names = axes[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="lower center", ncols=len(handles), frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    save(figure, path)
    return True
