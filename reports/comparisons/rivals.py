"""Rivals: other ways to spend less memory on fine-tuning, beside E3VA."""

from dataclasses import dataclass

import pandas as pd

from reports.cells import Column, number, signed
from reports.escaping import markdown_cell
from reports.ratios import FULL, percent_above
from reports.records import select
from reports.tables import TASKS, Table, settings_text
from reports.times.measured import spread_text, timing_text
from reports.times.predicted import PREDICTED_NOTE, predicted_columns
from reports.times.shares import SHARES_NOTE, shares_of_full

CHECKPOINTED = "Chen et al. 2016"
"""Training deep nets with sublinear memory cost."""


@dataclass(frozen=True)
class Rival:
    """A row."""

    label: str
    method: str
    checkpointing: bool
    source: str
    """Who proposed it."""


RIVALS = (
    Rival("Full", "full", False, "Liu et al. 2021 (Swin)"),
    Rival("Full, checkpointing", "full", True, CHECKPOINTED),
    Rival("LoRA", "lora", False, "Hu et al. 2021"),
    Rival("LoRA, checkpointing", "lora", True, f"Hu et al. 2021, {CHECKPOINTED}"),
    Rival("LST", "lst", False, "Sung et al. 2022, adapted to Swin here"),
    Rival("Fixed", "fixed", False, "Yin et al. 2024 (E3VA), baseline"),
    Rival("E3VA, fused (ours)", "e3va", False, "Yin et al. 2024; computed in one function a stage"),
    Rival("E3VA, recompute (ours)", "e3va-recompute", False, "Yin et al. 2024; frozen stages run again in backward"),
)
MEMORY_TASKS = {"voc": "swin_large", "coco": "swin_base"}
"""Task -> the backbone of the paper's table."""
PLAIN_FULL = (FULL, False)
"""The row of full fine-tuning without checkpointing."""


def rivals_table(frame: pd.DataFrame) -> Table | None:
    """Memory, parameters and step time of each; nothing where no rival beyond the paper's methods was measured."""
    memory = {task: _rows(frame, task, backbone, "simulate") for task, backbone in MEMORY_TASKS.items()}
    memory = {task: rows for task, rows in memory.items() if not rows.empty}
    time = _rows(frame, "voc", "swin_tiny", "cpu")
    if not any(_has_rival(rows) for rows in (*memory.values(), time)):
        return None
    columns: list[Column] = [
        ("Method", [rival.label for rival in RIVALS]),
        ("source", [rival.source for rival in RIVALS]),
    ]
    captions = []
    for task, rows in memory.items():
        columns += [
            (f"{TASKS[task]} params M", number(rows["params"] / 1e6, 2)),
            (f"{TASKS[task]} allocated MiB", number(rows["allocated_mib"])),
            (f"{TASKS[task]} reserved MiB", number(rows["reserved_mib"])),
            ("vs Full %", signed(percent_above(rows["reserved_mib"], rows["reserved_mib"].loc[PLAIN_FULL]))),
        ]
        first = rows.dropna(subset="task").iloc[0]
        captions.append(f"{TASKS[task]} {markdown_cell(first['backbone'])}, {settings_text(first)}")
    predicted = predicted_columns(memory["voc"]["predicted"], PLAIN_FULL) if "voc" in memory else []
    columns += predicted
    if time["step_ms"].notna().any():
        shares = shares_of_full(time, PLAIN_FULL).cells(100.0)
        columns += [("VOC CPU step ms (p10-p90)", spread_text(time)), ("% of Full", shares)]
        captions.append(f"{timing_text({'voc': time.dropna(subset='task').reset_index()})} {SHARES_NOTE}")
    return Table(
        "Rivals: less memory by other means",
        "*Checkpointing* keeps the input of each Swin block and computes the rest again in backward; *LST* trains a "
        "Swin of an eighth of the width beside the frozen one. Parameters are **counted**, in the backbone alone. "
        f"Memory is **simulated**: {'; '.join(captions[: len(memory)])}.{PREDICTED_NOTE if predicted else ''} "
        f"{' '.join(captions[len(memory) :])} The paper has "
        "no accuracy of LST, and checkpointing changes none.",
        columns,
    )


def _rows(frame: pd.DataFrame, task: str, backbone: str, engine: str) -> pd.DataFrame:
    """One row per rival, in their order; empty where none was measured."""
    wanted = frame[frame["method"].isin([rival.method for rival in RIVALS])]
    rows = select(wanted, free=("checkpointing",), task=task, backbone=backbone, engine=engine, batch_size=2)
    if rows.empty:
        return rows
    order = [(rival.method, rival.checkpointing) for rival in RIVALS]
    return rows.set_index(["method", "checkpointing"]).reindex(order)


def _has_rival(rows: pd.DataFrame) -> bool:
    """Whether there is a row that the paper's tables lack."""
    known = rows.dropna(subset="task")
    return any(checkpointing or method == "lst" for method, checkpointing in known.index)
