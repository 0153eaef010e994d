"""Allocators: what PyTorch's expandable segments save over a run of batches of changing size."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.cells import number, signed
from reports.ratios import percent_above
from reports.records import label_of, settings_of
from reports.tables import TASKS, Table

EXPANDABLE = "expandable_segments:True"
SETTING = "alloc_conf"
"""Settings of the allocator in a result's case."""


def without_expandable(frame: pd.DataFrame) -> pd.DataFrame:
    """The results but for those with expandable segments that have a table of their own here."""
    return frame if _beside_default(frame).empty else frame[frame[SETTING] != EXPANDABLE]


def allocators_table(frame: pd.DataFrame) -> Table | None:
    """Each run with expandable segments beside the same run with the default settings."""
    rows = _beside_default(frame)
    if rows.empty:
        return None
    saved = rows["reserved_mib_default"] - rows["reserved_mib"]
    return Table(
        "Allocators: what expandable segments save over a run",
        "A training's batches differ in size, and memory that was reserved for one may not serve the next. "
        "**Simulated**: the same run of batches in PyTorch's allocator with its default settings, and with "
        f"`PYTORCH_CUDA_ALLOC_CONF={EXPANDABLE}`. Allocated memory counts whole blocks, and so differs a little.",
        [
            ("Method", [f"{TASKS[row['task']]}, {row['backbone']}, {label_of(row['method'])}" for row in _rows(rows)]),
            ("run", [_run(row) for row in _rows(rows)]),
            ("allocated MiB, default", number(rows["allocated_mib_default"])),
            ("reserved MiB, default", number(rows["reserved_mib_default"])),
            ("reserved MiB, expandable", number(rows["reserved_mib"])),
            ("MiB saved", number(saved)),
            ("expandable vs default %", signed(percent_above(rows["reserved_mib"], rows["reserved_mib_default"]))),
        ],
    )


def _beside_default(frame: pd.DataFrame) -> pd.DataFrame:
    """The latest result of each run; columns that end in "_default" are those with the default settings."""
    if frame.empty or SETTING not in frame.columns:
        return frame.iloc[:0]
    runs = frame[frame["reserved_mib"].notna() & (frame["batches"] > 1)]
    same = ["task", "method", "engine", *(setting for setting in settings_of(frame) if setting != SETTING)]
    latest = runs.drop_duplicates([*same, SETTING], keep="last")
    expandable = latest[latest[SETTING] == EXPANDABLE]
    return expandable.merge(latest[latest[SETTING] == ""], on=same, suffixes=("", "_default"))


def _run(row: dict[str, Any]) -> str:
    return f"{row['batches']} batches of {row['batch_size']} x {row['image_size']}"


def _rows(frame: pd.DataFrame) -> Sequence[dict[str, Any]]:
    return frame.to_dict("records")
