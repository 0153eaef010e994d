"""Scatter of memory over trained parameters, each point with its method's name."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.text import Text

from reports.plots.figures import DPI, label, panels, save
from reports.plots.label_placement import Surroundings, place_labels
from reports.plots.method_colours import colours_of
from reports.plots.rectangles import Rectangle
from reports.records import label_of, method_key, published
from reports.units import GIB, MIB

GROUPS = {
    "other": ("not in the paper", "D"),
    "e3va": ("E3VA", "^"),
    "structure": ("adds modules", "s"),
    "selects": ("chooses parameters", "o"),
}
"""Group of methods -> its name in the legend, and marker; colours are those of the methods."""
E3VA_SIZES = ("e3va", "e3va+", "e3va++")
POINT_AREA = 40.0
"""Of a marker, in square points as matplotlib counts them."""
MARKER_RADIUS, GAP = 7.0, 2.0
"""Of a marker, and around labels, in pixels of the picture."""


def memory_against_parameters(frame: pd.DataFrame, path: Path) -> bool:
    """Scatter of simulated reserved memory over trainable backbone parameters, a panel per task; False without data."""
    shown = panels(frame.dropna(subset=["params", "reserved_mib"]))
    if not shown:
        return False
    figure, axes = plt.subplots(1, len(shown), figsize=(5.2 * len(shown), 5.2), squeeze=False, dpi=DPI)
    for axis, (title, rows) in zip(axes[0], shown, strict=True):
        _scatter(axis, rows)
        axis.set_title(title, fontsize=11)
        axis.set_xlabel("trained parameters of the backbone, millions")
    axes[0][0].set_ylabel("peak reserved GPU memory, GiB (simulated)")
    used = {_group(row) for _, rows in shown for _, row in rows.iterrows()}
    handles = [
        Line2D([], [], color="#555555", marker=marker, linestyle="", label=name)
        for group, (name, marker) in GROUPS.items()
        if group in used
    ]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    # Labels are placed in pixels, which are known once the axes have their final places.
    for axis, (_, rows) in zip(axes[0], shown, strict=True):
        _label(axis, rows)
    save(figure, path)
    return True


def _scatter(axis: Axes, rows: pd.DataFrame) -> None:
    millions, gib = _positions(rows)
    keys = [method_key(method) for method in rows["method"]]
    colours = colours_of(keys)
    for (_, row), key, x, y in zip(rows.iterrows(), keys, millions, gib, strict=True):
        axis.scatter([x], [y], color=colours[key], marker=GROUPS[_group(row)][1], s=POINT_AREA, zorder=3)
    axis.set_xscale("symlog", linthresh=0.05)  # zero has its place too
    axis.set_xlim(-0.03, 1000)
    axis.set_xticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
    axis.minorticks_off()
    axis.set_ylim(0, max(gib) * 1.15 or 1)
    axis.grid(color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _label(axis: Axes, rows: pd.DataFrame) -> None:
    texts = [
        axis.text(0, 0, label(label_of(method)), fontsize=8.5, ha="left", va="bottom", zorder=4)
        for method in rows["method"]
    ]
    to_pixels, to_data = axis.transData, axis.transData.inverted()
    points = [tuple(point) for point in to_pixels.transform(list(zip(*_positions(rows), strict=True)))]
    window = axis.get_window_extent()
    area = Rectangle(window.x0, window.y0, window.x1, window.y1)
    places = place_labels(_sizes(texts), Surroundings(points, area, MARKER_RADIUS, GAP))
    for text, place in zip(texts, places, strict=True):
        x, y = to_data.transform((place.box.left, place.box.bottom))
        text.set_position((float(x), float(y)))
        if place.leader is not None:
            axis.plot(*to_data.transform(place.leader).T, color="#888888", linewidth=0.6, zorder=2)


def _sizes(texts: Sequence[Text]) -> list[tuple[float, float]]:
    """Width and height of texts in pixels."""
    extents = [text.get_window_extent() for text in texts]
    return [(extent.width, extent.height) for extent in extents]


def _positions(rows: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Millions of parameters and GiB."""
    return list(rows["params"] / 1e6), list(rows["reserved_mib"] * MIB / GIB)


def _group(row: pd.Series) -> str:
    if row["base"] in E3VA_SIZES:
        return "e3va"
    extra = published("table1_voc_ade20k_swin_large").set_index("key")["extra_structure"].get(method_key(row["method"]))
    return {"yes": "structure", "no": "selects"}.get(extra, "other")
