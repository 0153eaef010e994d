"""Worst case over a run: what batches of changing size take, beside the one stated shape."""

from typing import Any

import pandas as pd

from reports.cells import MISSING, number, signed, verdict
from reports.comparisons.allocators import without_expandable
from reports.ratios import percent_above
from reports.records import cards_of, label_of, settings_of
from reports.tables import TASKS, Table

OF_RUNS = ("batches", "stretch")
"""Settings in which a run and its single shape differ."""


def run_table(frame: pd.DataFrame) -> Table | None:
    """Each run beside the same case on one shape."""
    rows = _beside_single_shapes(without_expandable(frame))
    if rows.empty:
        return None
    cards = [
        (gpu, [_card(run, one, gpu) for run, one in zip(rows["fits"], rows["fits_one"], strict=True)])
        for gpu in cards_of(rows["fits"])
    ]
    return Table(
        "Worst case over a run",
        "A training's batches differ in size. **Simulated**: *one shape* is the stated image size, *run* that many "
        "batches in a row from an epoch drawn after the task's augmentation, up to and with the epoch's largest, all "
        "in one allocator. Reserved over allocated memory says how far fragmentation goes. Cards are judged by the "
        "run, with the verdict on one shape in brackets where it differs.",
        [
            ("Method", [f"{TASKS[row['task']]}, {row['backbone']}, {label_of(row['method'])}" for row in _rows(rows)]),
            ("one shape", [f"{row['batch_size']} x {row['image_size']}" for row in _rows(rows)]),
            ("allocated MiB", number(rows["allocated_mib_one"])),
            ("reserved MiB", number(rows["reserved_mib_one"])),
            ("reserved / allocated", number(rows["reserved_mib_one"] / rows["allocated_mib_one"], 2)),
            ("run, batches", number(rows["batches"])),
            ("worst batch", [_shape(batch) for batch in rows["worst_batch"]]),
            ("allocated MiB", number(rows["allocated_mib"])),
            ("reserved MiB", number(rows["reserved_mib"])),
            ("reserved / allocated", number(rows["reserved_mib"] / rows["allocated_mib"], 2)),
            ("run vs one shape %", signed(percent_above(rows["reserved_mib"], rows["reserved_mib_one"]))),
            *cards,
        ],
    )


def _beside_single_shapes(frame: pd.DataFrame) -> pd.DataFrame:
    """The latest result of each run; columns that end in "_one" are those of its single shape."""
    memory = frame[frame["reserved_mib"].notna()]
    if memory.empty:
        return memory
    same = ["task", "method", "engine", *(setting for setting in settings_of(frame) if setting not in OF_RUNS)]
    runs = memory[(memory["batches"] > 1) & (memory["stretch"] == "worst")]
    runs = runs.drop_duplicates([*same, "batches"], keep="last")
    single = memory[memory["batches"] == 1].drop_duplicates(same, keep="last")
    return runs.merge(single, how="left", on=same, suffixes=("", "_one"))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.to_dict("records")


def _shape(batch: Any) -> str:
    """Size and objects of the batch with the highest allocated peak."""
    if not isinstance(batch, dict):
        return MISSING
    sides, objects = batch.get("image_size"), batch.get("gt_boxes")
    size = MISSING if sides is None else " x ".join(map(str, sides))
    return size + (f", {objects} objects" if objects else "")


def _card(run: dict[str, Any], one: Any, gpu: str) -> str:
    """Verdict of a run, and of the single shape (which may be missing) where it is another."""
    ours = verdict(run.get(gpu, {}).get("verdict"))
    theirs = verdict(one.get(gpu, {}).get("verdict")) if isinstance(one, dict) else MISSING
    return ours if theirs in (ours, MISSING) else f"{ours} ({theirs})"
