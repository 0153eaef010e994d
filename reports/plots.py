"""Pictures of the results: memory against parameters, where memory goes, what trains on which card."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.records import label_of, method_key, published, select

WORKLOADS = (
    ("voc", "swin_large", "VOC, RetinaNet, Swin-L"),
    ("ade20k", "swin_large", "ADE20K, UPerNet, Swin-L"),
    ("coco", "swin_base", "COCO, Cascade Mask R-CNN, Swin-B"),
)
PARTS = {
    "parameters": ("parameters", "#332288"),
    "gradients": ("gradients", "#882255"),
    "optimizer_state": ("optimizer state", "#88ccee"),
    "activations": ("activations", "#ddaa33"),
    "inputs": ("images and targets", "#117733"),
    "workspace": ("workspaces", "#999933"),
    "other": ("temporary", "#bbbbbb"),
}
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
GROUPS = {
    "other": ("not in the paper", "#117733"),
    "e3va": ("E3VA", "#cc3311"),
    "structure": ("adds modules", "#0077bb"),
    "selects": ("chooses parameters", "#555555"),
}
VERDICTS = {
    "oom": (0, "OOM", "#f4c7c3"),
    "fits_with_retries": (1, "fits, with retries", "#fce8b2"),
    "fits": (2, "fits", "#b7e1cd"),
}
UNKNOWN_COLOUR = "#ffffff"
MIB_PER_GIB = 1024
VISIBLE_BYTES = 8 << 20
"""Smallest part of a bar that can be seen."""
DPI = 130


def memory_against_parameters(frame: pd.DataFrame, path: Path) -> bool:
    """Scatter of simulated reserved memory over trainable backbone parameters, a panel per task; False without data."""
    panels = _panels(frame)
    if not panels:
        return False
    figure, axes = plt.subplots(1, len(panels), figsize=(5.2 * len(panels), 5.2), squeeze=False)
    for axis, (title, rows) in zip(axes[0], panels, strict=True):
        _scatter(axis, rows)
        axis.set_title(title, fontsize=11)
        axis.set_xlabel("trained parameters of the backbone, millions")
    axes[0][0].set_ylabel("peak reserved GPU memory, GiB (simulated)")
    used = {_group(method) for _, rows in panels for method in rows["method"]}
    handles = [Patch(color=colour, label=label) for group, (label, colour) in GROUPS.items() if group in used]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    _save(figure, path)
    return True


def breakdown(frame: pd.DataFrame, path: Path) -> bool:
    """Stacked bars: what was alive at the peak, per method and task; False without data."""
    panels = [
        (
            title,
            list(rows["method"]),
            [{part: size / 2**30 for part, size in parts.items()} for parts in rows["at_peak"]],
        )
        for title, rows in _panels(frame)
    ]
    return _stacked(panels, PARTS, VISIBLE_BYTES / 2**30, "GiB allocated at the peak (simulated)", path)


def time_by_operator(frame: pd.DataFrame, path: Path) -> bool:
    """Stacked bars: predicted time of a step by class of operator, per method and task; False without data."""
    panels = []
    for title, rows in _panels(frame):
        timed = [(row["method"], row["predicted"].get(TIMED_CARD) or {}) for _, row in rows.iterrows()]
        known = [(method, _by_class(time)) for method, time in timed if "by_kind_ms" in time]
        if known:
            panels.append((title, [method for method, _ in known], [parts for _, parts in known]))
    label = f"milliseconds of a step on a {TIMED_CARD} (predicted)"
    return _stacked(panels, OPERATOR_CLASSES, VISIBLE_MS, label, path)


def _by_class(time: dict[str, Any]) -> dict[str, float]:
    kinds = time["by_kind_ms"]
    parts = {name: sum(kinds.get(kind, 0.0) for kind in of) for name, of in KINDS.items()}
    return {**parts, "launches": time["launch_bound_ms"]}


def _stacked(
    panels: Sequence[tuple[str, Sequence[str], Sequence[dict[str, float]]]],
    looks: dict[str, tuple[str, str]],
    visible: float,
    label: str,
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
        names = [label_of(method) for method in methods][::-1]
        left = [0.0] * len(names)
        for part, (legend, colour) in shown.items():
            widths = [parts[part] for parts in bars][::-1]
            axis.barh(names, widths, left=left, color=colour, label=legend, height=0.75)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        axis.set_title(title, fontsize=11)
        axis.set_xlabel(label)
        axis.spines[["top", "right"]].set_visible(False)
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=len(shown), frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    _save(figure, path)
    return True


def trainability(frame: pd.DataFrame, path: Path) -> bool:
    """Matrix of methods by card and batch size for Swin-L Cascade Mask R-CNN; False without data."""
    per_batch = {
        size: select(frame, task="coco", backbone="swin_large", engine="simulate", batch_size=size).set_index("method")
        for size in (1, 2)
    }
    methods = list(dict.fromkeys(method for rows in per_batch.values() for method in rows.index))
    if not methods:
        return False
    gpus = list(next(rows for rows in per_batch.values() if not rows.empty).iloc[0]["fits"])
    columns = [(size, gpu) for size in per_batch for gpu in gpus]
    figure, axis = plt.subplots(figsize=(1.2 + 1.25 * len(columns), 1.6 + 0.42 * len(methods)))
    codes = [[_code(per_batch[size], method, gpu) for size, gpu in columns] for method in methods]
    colours = [UNKNOWN_COLOUR, *(colour for _, _, colour in VERDICTS.values())]
    axis.imshow(codes, cmap=ListedColormap(colours), vmin=-1, vmax=2, aspect="auto")
    for row, method in enumerate(methods):
        for column, (size, gpu) in enumerate(columns):
            axis.text(column, row, _cell_text(per_batch[size], method, gpu), ha="center", va="center", fontsize=8.5)
    axis.set_xticks(range(len(columns)), [f"{gpu}\n{_images(size)}" for size, gpu in columns], fontsize=8)
    axis.set_yticks(range(len(methods)), [label_of(method) for method in methods])
    axis.tick_params(length=0)
    axis.set_xticks([x + 0.5 for x in range(len(columns) - 1)], minor=True)
    axis.set_yticks([y + 0.5 for y in range(len(methods) - 1)], minor=True)
    axis.grid(which="minor", color="white", linewidth=2)
    axis.tick_params(which="minor", length=0)
    axis.axvline(len(gpus) - 0.5, color="#333333", linewidth=1.5)
    axis.spines[:].set_visible(False)
    axis.set_title(
        "Cascade Mask R-CNN on Swin-L: which card trains it (simulated; GiB reserved on that card)", fontsize=11
    )
    handles = [Patch(color=colour, label=label) for _, label, colour in VERDICTS.values()]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    _save(figure, path)
    return True


def _panels(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Title and rows of each paper workload that has simulated results with a breakdown."""
    selected = [
        (title, select(frame, task=task, backbone=backbone, engine="simulate", batch_size=2, status="ok"))
        for task, backbone, title in WORKLOADS
    ]
    return [(title, rows) for title, rows in selected if not rows.empty]


def _scatter(axis: Axes, rows: pd.DataFrame) -> None:
    millions, gib = list(rows["params"] / 1e6), list(rows["reserved_mib"] / MIB_PER_GIB)
    axis.scatter(millions, gib, c=[GROUPS[_group(method)][1] for method in rows["method"]], s=40, zorder=3)
    axis.set_xscale("symlog", linthresh=0.05)  # zero has its place too
    axis.set_xlim(-0.03, 1000)
    axis.set_xticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
    axis.minorticks_off()
    axis.set_ylim(0, max(gib) * 1.15)
    axis.grid(color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    names = [
        axis.text(x, y, label_of(method), fontsize=8.5, zorder=4)
        for method, x, y in zip(rows["method"], millions, gib, strict=True)
    ]
    adjust_text(
        names, millions, gib, ax=axis, expand=(1.15, 1.5), arrowprops={"arrowstyle": "-", "color": "#888888", "lw": 0.6}
    )


def _group(method: str) -> str:
    if method.startswith("e3va"):
        return "e3va"
    extra = published("table1_voc_ade20k_swin_large").set_index("key")["extra_structure"].get(method_key(method))
    return {"yes": "structure", "no": "selects"}.get(extra, "other")


def _code(rows: pd.DataFrame, method: str, gpu: str) -> int:
    fit = rows.loc[method, "fits"].get(gpu) if method in rows.index else None
    return -1 if fit is None else VERDICTS[fit["verdict"]][0]


def _cell_text(rows: pd.DataFrame, method: str, gpu: str) -> str:
    fit = rows.loc[method, "fits"].get(gpu) if method in rows.index else None
    if fit is None:
        return "–"
    return "OOM" if fit["verdict"] == "oom" else f"{fit['peak_reserved_bytes'] / 2**30:.1f}"


def _images(count: int) -> str:
    return f"{count} image" if count == 1 else f"{count} images"


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    plt.close(figure)
