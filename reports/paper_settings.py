"""The memory columns of Tables 1 and 2 under the settings that probably were behind them."""

import math
from typing import Any

import pandas as pd

from reports.cells import number, signed, text
from reports.escaping import markdown_cell
from reports.forms import is_as_published
from reports.ratios import FULL, percent_above, percent_above_full
from reports.records import label_of, published, select
from reports.tables import TASKS, Table

LEGACY = "mm-2021"
PRECISION = "apex-o1"
CONTEXT_MIB = 1306
"""CUDA context of a V100 with PyTorch 1.x: out-of-memory messages of the time show 1.20 to 1.35 GiB; the middle."""
NCCL_MIB = 344
"""NCCL's buffers for DistributedDataParallel: 688 MB on each of four A100 after a first all-reduce (NVIDIA/nccl issue
964), linear in its channels (issue 986), of which a V100's six links have half as many as an A100's twelve."""
OUTSIDE_MIB = CONTEXT_MIB + NCCL_MIB
"""What nvidia-smi shows beside the memory that PyTorch reserves."""
WITHIN_POINTS = 8
COLUMNS = {
    "voc": ("swin_large", "table1_voc_ade20k_swin_large", "memory_voc_mb"),
    "coco": ("swin_base", "table2_coco_swin_base", "memory_mb"),
}
"""Task -> its backbone, the published table, and the column of its memory."""


def paper_settings_tables(frame: pd.DataFrame) -> list[Table]:
    """One table per task for which there are results."""
    tables = [_table(frame, task) for task in COLUMNS] if not frame.empty else []
    return [table for table in tables if table is not None]


def _table(frame: pd.DataFrame, task: str) -> Table | None:
    backbone, name, column = COLUMNS[task]
    same = (frame["profile"] == LEGACY) & (frame["precision"] == PRECISION) & (frame["task"] == task)
    legacy = _as_the_authors_built(frame[same])
    wanted: dict[str, Any] = {"task": task, "backbone": backbone, "engine": "simulate", "batch_size": 2}
    one = select(legacy[legacy["batches"] == 1], **wanted)
    run = select(legacy[(legacy["batches"] > 1) & (legacy["stretch"] == "first")], **wanted)
    if one.empty or run.empty:
        return None
    paper_mb = published(name).drop_duplicates("key").set_index("key")[column].reindex(one.index)
    remarks = published("remarks_memory").set_index("key")[task].reindex(one.index)
    one_mib = one["reserved_mib"] + OUTSIDE_MIB
    run_mib = run["reserved_mib"].reindex(one.index) + OUTSIDE_MIB
    one_error, run_error = percent_above(one_mib, paper_mb), percent_above(run_mib, paper_mb)
    points = percent_above_full(run_mib) - percent_above_full(paper_mb)
    to_full = points.drop(FULL, errors="ignore").abs()
    settings = one.iloc[0]
    return Table(
        f"{TASKS[task]} under the paper's probable settings",
        f"2 images of {markdown_cell(settings['image_size'])}, NVIDIA Apex O1, PyTorch 1.x with mmdetection's loop "
        f"(profile {LEGACY}), plus {CONTEXT_MIB} MiB of CUDA context and {NCCL_MIB} MiB of NCCL's buffers, both "
        "estimated from what others saw: what nvidia-smi would have shown. **Simulated**: *one "
        f"shape*, and the *first {run.iloc[0]['batches']} batches* of a training, whose changing sizes fragment the "
        "memory. E3VA stands here as the paper describes it, out of plain modules (its reference form). Nothing is "
        "fitted to a row. Root mean square of *diff*: "
        f"{_rms(one_error)} % on one shape, {_rms(run_error)} % over the first "
        f"batches; {int((to_full <= WITHIN_POINTS).sum())} of {len(to_full)} differences to Full "
        f"lie within {WITHIN_POINTS} points.",
        [
            ("Method", [label_of(method) for method in one["method"]]),
            ("one shape MiB", number(one_mib)),
            ("diff %", signed(one_error)),
            ("first batches MiB", number(run_mib)),
            ("diff %", signed(run_error)),
            ("paper MB", number(paper_mb)),
            ("vs Full %", signed(percent_above_full(run_mib))),
            ("paper", signed(percent_above_full(paper_mb))),
            ("points", signed(points)),
            ("what the paper's own rows say", text(remarks)),
        ],
    )


def _as_the_authors_built(frame: pd.DataFrame) -> pd.DataFrame:
    """E3VA out of plain modules, its reference form, in the paper's row; a cheaper form has no place there."""
    return frame[is_as_published(frame)].assign(method=lambda rows: rows["base"])


def _rms(errors: pd.Series) -> str:
    return number([math.sqrt((errors.dropna() ** 2).mean())], 1)[0]
