"""Picture of a step's memory: allocated and reserved over its operators, and who holds what at the peak."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from reports.plots.figures import PARTS, label, save
from reports.units import GIB

PHASES = {
    "build": ("build", "#eeeeee"),
    "forward": ("forward", "#e8f1fa"),
    "backward": ("backward", "#fbeee6"),
    "optimizer": ("optimizer", "#eaf5ea"),
}
ALLOCATED_COLOUR = "#0077bb"
RESERVED_COLOUR = "#555555"
PEAK_COLOUR = "#cc3311"
BARS = 14
"""Modules, and operators, that get a bar of their own."""
LABELLED_WIDTH = 0.04
"""Share of the axis from which on a phase has room for its name."""
HEADROOM = 1.22
"""Height of the axis over the highest line: room for the phases and the words at the peak."""
SMALLEST_SHARE = 0.004
"""Part of the peak from which on a bar is worth its line."""
NEAR = 1.3
"""A card's line is drawn up to this many times the peak: a far one would flatten the curve."""
LONGEST_TITLE = 120
"""Characters of the title."""
Timeline = Mapping[str, Any]


def timeline_plot(timeline: Timeline, path: Path, title: str, capacities: Mapping[str, int] | None = None) -> None:
    """Draw the timeline that `python -m bench explain` writes. `capacities` are usable bytes by name of a card."""
    figure = plt.figure(figsize=(13, 9.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.15, 1), width_ratios=(1.35, 1))
    above = figure.add_subplot(grid[0, :])
    _curves(above, timeline, capacities or {})
    above.set_title(label(title, LONGEST_TITLE), fontsize=12)
    _module_bars(figure.add_subplot(grid[1, 0]), timeline)
    _operator_bars(figure.add_subplot(grid[1, 1]), timeline)
    save(figure, path)


def phase_spans(operators: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, int]]:
    """Phase, first and one past the last operator of every run of operators of one phase."""
    spans: list[tuple[str, int, int]] = []
    for operator in operators:
        phase, index = operator["phase"], operator["index"]
        if spans and spans[-1][0] == phase:
            spans[-1] = (phase, spans[-1][1], index + 1)
        else:
            spans.append((phase, index, index + 1))
    return spans


def _curves(axis: Axes, timeline: Timeline, capacities: Mapping[str, int]) -> None:
    moments, first = timeline["moments"], timeline["operators"][0]["index"]
    at = [operator - first for operator in moments["operator"]]
    end = len(timeline["operators"])
    allocated, reserved = ([size / GIB for size in moments[name]] for name in ("allocated_bytes", "reserved_bytes"))
    axis.step(at, reserved, where="post", color=RESERVED_COLOUR, linewidth=1.2, linestyle=(0, (4, 2)), label="reserved")
    axis.step(at, allocated, where="post", color=ALLOCATED_COLOUR, linewidth=1.2, label="allocated")
    axis.fill_between(at, allocated, step="post", color=ALLOCATED_COLOUR, alpha=0.12, linewidth=0)
    axis.set_xlim(0, end)
    highest = max(max(reserved), max(allocated))
    lines = {name: size / GIB for name, size in capacities.items() if size / GIB <= highest * NEAR}
    top = max([highest, *lines.values()]) * HEADROOM
    axis.set_ylim(0, top)
    _shade(axis, timeline, first, end, top)
    for name, size in lines.items():
        axis.axhline(size, color=PEAK_COLOUR, linewidth=0.8, linestyle=":")
        axis.text(
            end * 0.005, size, f"{label(name)}: {size:.1f} GiB usable", fontsize=8, color=PEAK_COLOUR, va="bottom"
        )
    _mark_peak(axis, timeline, first, end)
    axis.set_xlabel("operators since the start of the step")
    axis.set_ylabel("GiB")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="lower right", frameon=True, framealpha=0.9, edgecolor="none", fontsize=9)


def _shade(axis: Axes, timeline: Timeline, first: int, end: int, top: float) -> None:
    for phase, start, stop in phase_spans(timeline["operators"]):
        name, colour = PHASES[phase]
        axis.axvspan(start - first, stop - first, color=colour, linewidth=0, zorder=0)
        if stop - start >= LABELLED_WIDTH * end:
            axis.text(
                (start + stop) / 2 - first, top * 0.985, name, ha="center", va="top", fontsize=10, color="#444444"
            )


def _mark_peak(axis: Axes, timeline: Timeline, first: int, end: int) -> None:
    peak = timeline["peak"]
    x, y = peak["operator"] - first, peak["allocated_bytes"] / GIB
    failed = timeline["failed_request_bytes"]
    words = f"peak {y:.2f} GiB allocated"
    if failed is not None:
        words = f"out of memory: {y:.2f} GiB allocated, {failed / GIB:.2f} GiB more asked for"
    cause = label(peak["name"]) + (f" of {label(peak['module'])}" if peak["module"] else "")
    axis.plot([x], [y], marker="o", color=PEAK_COLOUR, markersize=6, zorder=5)
    side = "left" if x < end / 3 else "right" if x > end * 2 / 3 else "center"
    axis.annotate(
        f"{words}\n{cause}", (x, y), xytext=(x, 0.935), textcoords=("data", "axes fraction"), fontsize=9,
        ha=side, va="top", color=PEAK_COLOUR, zorder=6,
        arrowprops={"arrowstyle": "-", "color": PEAK_COLOUR, "lw": 0.8},
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2},
    )  # fmt: skip


def _module_bars(axis: Axes, timeline: Timeline) -> None:
    rows = [row for row in timeline["by_module"] if row["total_bytes"] >= _smallest(timeline)][:BARS][::-1]
    names = [label(row["module"] or "(no module)") for row in rows]
    left = [0.0] * len(rows)
    used: list[Patch] = []
    for part, (name, colour) in PARTS.items():
        sizes = [row["by_category"].get(part, 0) for row in rows]
        if sum(sizes) >= _smallest(timeline):
            widths = [size / GIB for size in sizes]
            axis.barh(range(len(rows)), widths, left=left, color=colour, height=0.75)
            left = [start + width for start, width in zip(left, widths, strict=True)]
            used.append(Patch(color=colour, label=name))
    axis.set_yticks(range(len(rows)), names, fontsize=8)
    when = "at the peak" if timeline["failed_request_bytes"] is None else "when memory ran out"
    _finish_bars(axis, f"{when}, by module", left, len(timeline["by_module"]))
    axis.legend(handles=used, loc="lower right", fontsize=8, frameon=False)


def _operator_bars(axis: Axes, timeline: Timeline) -> None:
    sums = {name: size for name, size in timeline["by_operator"].items() if size >= _smallest(timeline)}
    rows = list(sums.items())[:BARS][::-1]
    widths = [size / GIB for _, size in rows]
    axis.barh(range(len(rows)), widths, color="#88aacc", height=0.75)
    axis.set_yticks(range(len(rows)), [label(name) for name, _ in rows], fontsize=8)
    _finish_bars(axis, "by operator", widths, len(timeline["by_operator"]))


def _smallest(timeline: Timeline) -> float:
    return SMALLEST_SHARE * timeline["peak"]["allocated_bytes"]


def _finish_bars(axis: Axes, title: str, widths: Sequence[float], count: int) -> None:
    for row, width in enumerate(widths):
        axis.text(width, row, f" {width:.2f}", va="center", fontsize=8)
    axis.set_xlim(0, max(widths, default=1.0) * 1.15)
    hidden = count - len(widths)
    more = f" ({hidden} smaller not shown)" if hidden else ""
    axis.set_title(f"{title}{more}", fontsize=10)
    axis.set_xlabel("GiB")
    axis.spines[["top", "right"]].set_visible(False)
