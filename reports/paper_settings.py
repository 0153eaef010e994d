"""The memory columns of Tables 1 and 2 under the settings that probably were behind them."""

import math
from typing import Any

import pandas as pd

from reports.cells import MISSING, number, signed
from reports.escaping import markdown_cell
from reports.forms import is_as_published
from reports.ratios import FULL, percent_above, percent_above_full
from reports.records import label_of, labels, published, select
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
COMPARED = {
    "bitfit": "normtuning",
    "partial1": "fixed",
    "adapter": "bitfit",
    "lora": "adapter",
    "adaptformer": "adapter",
    "e3va+": "e3va",
    "e3va++": "e3va",
}
"""Row -> another row of the same column whose published figure stands beside its own."""


def single_shapes(frame: pd.DataFrame) -> pd.DataFrame:
    """What Tables 1 to 4 are about: runs, and rules of years ago, have no place in them."""
    return frame if frame.empty else frame[(frame["batches"] == 1) & (frame["profile"] != LEGACY)]


def paper_settings_tables(frame: pd.DataFrame) -> list[Table]:
    """One table per task for which there are results."""
    tables = [_table(frame, task) for task in COLUMNS] if not frame.empty else []
    return [table for table in tables if table is not None]


def probable_mib(frame: pd.DataFrame, task: str) -> pd.Series | None:
    """What nvidia-smi would have shown over the first batches, by method key; nothing without results."""
    found = None if frame.empty else _found(frame, task)
    return None if found is None else _shown(found[1])


def _table(frame: pd.DataFrame, task: str) -> Table | None:
    found = _found(frame, task)
    if found is None:
        return None
    one, run = found
    _, name, column = COLUMNS[task]
    of_paper = published(name).drop_duplicates("key").set_index("key")[column]
    paper_mb = of_paper.reindex(one.index)
    one_mib, run_mib = _shown(one), _shown(run).reindex(one.index)
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
        "memory. E3VA stands here in its reference form, which is made of plain modules as the paper describes it. "
        "Nothing is fitted to a row. Root mean square of *diff*: "
        f"{_rms(one_error)} % on one shape, {_rms(run_error)} % over the first "
        f"batches; {int((to_full <= WITHIN_POINTS).sum())} of {len(to_full)} differences to Full "
        f"lie within {WITHIN_POINTS} points. The last column compares **published** figures with one another, and in "
        "brackets ours over the first batches.",
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
            ("the paper's rows compared", [_compared(key, of_paper, run_mib) for key in one.index]),
        ],
    )


def _found(frame: pd.DataFrame, task: str) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Results on one shape, and over the first batches of a training."""
    same = (frame["profile"] == LEGACY) & (frame["precision"] == PRECISION) & (frame["task"] == task)
    legacy = _as_published(frame[same])
    wanted: dict[str, Any] = {"task": task, "backbone": COLUMNS[task][0], "engine": "simulate", "batch_size": 2}
    one = select(legacy[legacy["batches"] == 1], **wanted)
    run = select(legacy[(legacy["batches"] > 1) & (legacy["stretch"] == "first")], **wanted)
    return None if one.empty or run.empty else (one, run)


def _shown(rows: pd.DataFrame) -> pd.Series:
    """What nvidia-smi would have shown."""
    return rows["reserved_mib"] + OUTSIDE_MIB


def _compared(key: str, paper_mb: pd.Series, ours: pd.Series) -> str:
    """How far a published figure lies above another row's, and whether it is even where most are odd."""
    said = []
    other = COMPARED.get(key)
    if other is not None:
        above = int(paper_mb[key] - paper_mb[other])
        said.append(f"{abs(above)} MB {'above' if above > 0 else 'below'} {labels()[other]}")
        of_ours = ours.get(key, math.nan) - ours.get(other, math.nan)
        said[0] += "" if pd.isna(of_ours) else f" (ours {signed([of_ours], 0)[0]})"
    even = paper_mb % 2 == 0
    if even.get(key, False) and even.mean() < 0.5:
        said.append(f"even, as {int(even.sum())} of {len(even)} figures of the column")
    return "; ".join(said) or MISSING


def _as_published(frame: pd.DataFrame) -> pd.DataFrame:
    """The paper's methods in the form that it measured, under their own names; another form has no place there."""
    return frame[is_as_published(frame)].assign(method=lambda rows: rows["base"])


def _rms(errors: pd.Series) -> str:
    return number([math.sqrt((errors.dropna() ** 2).mean())], 1)[0]
