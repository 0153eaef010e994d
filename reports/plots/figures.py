"""What all pictures share: how they are drawn without a screen and saved, panels per task, colours of memory."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from reports.escaping import character_number, one_line
from reports.records import select

matplotlib.rcParams["text.parse_math"] = False  # a dollar sign in a name opens no formula

DPI = 130
WORKLOADS = (
    ("voc", "swin_large", "VOC, RetinaNet, Swin-L"),
    ("ade20k", "swin_large", "ADE20K, UPerNet, Swin-L"),
    ("coco", "swin_base", "COCO, Cascade Mask R-CNN, Swin-B"),
)
"""Task, backbone and title of each panel."""
PARTS = {
    "parameters": ("parameters", "#332288"),
    "gradients": ("gradients", "#882255"),
    "optimizer_state": ("optimizer state", "#88ccee"),
    "activations": ("activations", "#ddaa33"),
    "inputs": ("images and targets", "#117733"),
    "workspace": ("workspaces", "#999933"),
    "other": ("temporary", "#bbbbbb"),
}
"""Category of memory -> its name in legends, and colour."""

LONGEST_LABEL = 46
"""Characters of a label; a longer one would leave no room for the figures."""


def label(text: object, longest: int = LONGEST_LABEL) -> str:
    """Text of unknown origin for a picture: a long one loses its middle, what the font lacks is shown by its number."""
    line = one_line(text)
    if len(line) > longest:
        half = (longest - 1) // 2
        line = f"{line[:half]}…{line[-half:]}"
    font = get_font(findfont(FontProperties()))
    return "".join(
        character if font.get_char_index(ord(character)) else character_number(character) for character in line
    )


def panels(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Title and rows of each paper workload that has simulated results with a breakdown."""
    selected = [
        (title, select(frame, task=task, backbone=backbone, engine="simulate", batch_size=2, status="ok"))
        for task, backbone, title in WORKLOADS
    ]
    return [(title, rows) for title, rows in selected if not rows.empty]


def save(figure: Figure, path: Path) -> None:
    """Write a figure and forget it."""
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    plt.close(figure)
