"""How step times were measured, as captions and cells say it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from reports.cells import MISSING
from reports.escaping import markdown_cell
from reports.ratios import FULL
from reports.records import label_of
from reports.tables import TASKS, setting_text


def spread_text(rows: pd.DataFrame) -> list[str]:
    """Median and spread of the step time, a cell per row."""
    return [
        MISSING if pd.isna(ms) else f"{ms:.0f}" + ("" if pd.isna([p10, p90]).any() else f" ({p10:.0f}-{p90:.0f})")
        for ms, p10, p90 in zip(rows["step_ms"], rows["step_p10_ms"], rows["step_p90_ms"], strict=True)
    ]


def timing_text(per_task: Mapping[str, pd.DataFrame]) -> str:
    """How the step times of some tasks were measured: on what, how often, in turns with Full, and what disturbed it."""
    first = next(iter(per_task.values())).iloc[0]
    device = markdown_cell(first["environment"].get("device") or "its name is not known")
    sizes = []
    for task, rows in per_task.items():
        row = rows.iloc[0]
        said = row.map(setting_text)
        rois = f" with {said['rois_per_image']} RoIs each" if row["rois_per_image"] else ""
        sizes.append(f"{TASKS[task]} {said['batch_size']} images of {said['image_size']}{rois}")
    return (
        f"**Measured** on a CPU ({device}), not on a GPU: real training steps of Swin-T at a small size "
        f"({'; '.join(sizes)}), {markdown_cell(first['precision'])}, AdamW. Median of {_steps_text(per_task)} "
        f"per method after 3 of warm-up{_turns_text(per_task.values())}.{contention_text(per_task)}"
    )


def contention_text(per_task: Mapping[str, pd.DataFrame]) -> str:
    """Which rows were disturbed by other processes, and how much: a sentence for a caption, or nothing."""
    disturbed = [
        (row["contention"].get("others_percent") or 0.0, f"{TASKS[task]} {markdown_cell(_name(row))}")
        for task, rows in per_task.items()
        for row in _timed(rows)
        if row["contention"]
    ]
    if not disturbed:
        return ""
    most = max(percent for percent, _ in disturbed)
    return (
        f" Other processes took up to {most:.0f} % of the processors while these rows were timed, so that their "
        f"times are too long: {'; '.join(name for _, name in disturbed)}."
    )


def _steps_text(per_task: Mapping[str, pd.DataFrame]) -> str:
    counts = [int(row["samples"]) for rows in per_task.values() for row in _timed(rows)]
    least, most = min(counts, default=0), max(counts, default=0)
    return f"{least} steps" if least == most else f"{least} to {most} steps"


def _turns_text(per_task: Iterable[pd.DataFrame]) -> str:
    """Whether steps of Full were timed in turns with those of each method."""
    others = [row for rows in per_task for row in _timed(rows) if row["method"] != FULL or row.get("checkpointing")]
    in_turns = sum(pd.notna(row["relative_to_full"]) for row in others)
    if in_turns == len(others):
        return ", each in turns with a step of Full"
    return f". {in_turns} of {len(others)} rows were timed in turns with Full; only they have shares of its time"


def _timed(rows: pd.DataFrame) -> Iterator[Mapping[str, Any]]:
    """Rows with a step time, each with its method, whatever the index is."""
    flat = rows[rows["step_ms"].notna()]
    names = [name for name in flat.index.names if name is not None and name not in flat.columns]
    yield from (flat.reset_index(names) if names else flat).to_dict("records")


def _name(row: Mapping[str, Any]) -> str:
    return label_of(str(row["method"])) + (", checkpointing" if row.get("checkpointing") else "")
