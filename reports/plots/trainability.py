"""Matrix of what trains on which card."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from reports.cells import MISSING, OOM
from reports.plots.figures import label, save
from reports.records import cards_of, label_of, select
from reports.units import GIB

VERDICTS = {
    "oom": (0, OOM, "#f4c7c3"),
    "fits_with_retries": (1, "≈ fits, with retries", "#fce8b2"),
    "fits": (2, "fits", "#b7e1cd"),
}
"""Verdict -> its number in the matrix, name and colour."""
LONGEST_CARD = 20
"""Characters of a card's name: as many as its column has room for."""
MOST_CARDS = 16
"""More would make a picture that no program shows."""
UNKNOWN = (-1, "", "#ffffff")
"""Of a card for which there is no verdict, or another."""


def trainability(frame: pd.DataFrame, path: Path) -> bool:
    """Matrix of methods by card and batch size for Swin-L Cascade Mask R-CNN; False without data."""
    per_batch = {
        size: select(frame, task="coco", backbone="swin_large", engine="simulate", batch_size=size).set_index("method")
        for size in (1, 2)
    }
    methods = list(dict.fromkeys(method for rows in per_batch.values() for method in rows.index))
    if not methods:
        return False
    cards = cards_of(pd.concat(per_batch.values())["fits"])
    if not cards:
        return False
    gpus = cards[:MOST_CARDS]
    columns = [(size, gpu) for size in per_batch for gpu in gpus]
    figure, axis = plt.subplots(figsize=(1.2 + 1.25 * len(columns), 1.6 + 0.42 * len(methods)))
    codes = [[_code(per_batch[size], method, gpu) for size, gpu in columns] for method in methods]
    colours = [UNKNOWN[2], *(colour for _, _, colour in VERDICTS.values())]
    axis.imshow(codes, cmap=ListedColormap(colours), vmin=-1, vmax=2, aspect="auto")
    for row, method in enumerate(methods):
        for column, (size, gpu) in enumerate(columns):
            axis.text(column, row, _cell_text(per_batch[size], method, gpu), ha="center", va="center", fontsize=8.5)
    axis.set_xticks(
        range(len(columns)), [f"{label(gpu, LONGEST_CARD)}\n{_images(size)}" for size, gpu in columns], fontsize=8
    )
    axis.set_yticks(range(len(methods)), [label(label_of(method)) for method in methods])
    axis.tick_params(length=0)
    axis.set_xticks([x + 0.5 for x in range(len(columns) - 1)], minor=True)
    axis.set_yticks([y + 0.5 for y in range(len(methods) - 1)], minor=True)
    axis.grid(which="minor", color="white", linewidth=2)
    axis.tick_params(which="minor", length=0)
    axis.axvline(len(gpus) - 0.5, color="#333333", linewidth=1.5)
    axis.spines[:].set_visible(False)
    hidden = f", the first {MOST_CARDS} of {len(cards)} cards" if len(cards) > MOST_CARDS else ""
    axis.set_title(
        f"Cascade Mask R-CNN on Swin-L: which card trains it (simulated; GiB reserved on that card{hidden})",
        fontsize=11,
    )
    handles = [Patch(color=colour, label=name) for _, name, colour in VERDICTS.values()]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    save(figure, path)
    return True


def _code(rows: pd.DataFrame, method: str, gpu: str) -> int:
    fit = rows.loc[method, "fits"].get(gpu) if method in rows.index else None
    code, _, _ = VERDICTS.get("" if fit is None else fit.get("verdict", ""), UNKNOWN)
    return code


def _cell_text(rows: pd.DataFrame, method: str, gpu: str) -> str:
    fit = rows.loc[method, "fits"].get(gpu) if method in rows.index else None
    if fit is None:
        return MISSING
    reserved_bytes = fit.get("peak_reserved_bytes")
    mark = "≈ " if fit.get("verdict") == "fits_with_retries" else ""
    return (
        OOM
        if fit.get("verdict") == "oom"
        else MISSING
        if reserved_bytes is None
        else f"{mark}{reserved_bytes / GIB:.1f}"
    )


def _images(count: int) -> str:
    return f"{count} image" if count == 1 else f"{count} images"
