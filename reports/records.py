"""Result lines as one table: a row per measured case."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

MIB = 1 << 20
PUBLISHED = Path(__file__).with_name("published")
Record = Mapping[str, Any]


SETTINGS = [
    "backbone", "window", "batch_size", "image_size", "precision", "optimizer", "profile", "gt_boxes", "rois_per_image",
    "seed", "batches", "stretch", "fused_attention", "checkpointing", "bf16_trunk",
]  # fmt: skip
"""Fields of a case that are the same for all rows of a table."""
DEFAULTS = {"batches": 1, "stretch": "worst", "fused_attention": False, "checkpointing": False, "bf16_trunk": False}
"""Settings that older results do not have."""
COLUMNS = [
    "task", "method", "engine", *SETTINGS, "status", "params", "allocated_mib", "reserved_mib", "at_peak",
    "worst_batch", "step_ms", "step_p10_ms", "step_p90_ms", "samples", "inference_ms", "relative_to_full",
    "inference_relative_to_full", "fits", "predicted", "environment",
]  # fmt: skip


def frame_of(records: Sequence[Record]) -> pd.DataFrame:
    """Rows of results with memory or time, or that ran out of memory; cases that failed have nothing to show."""
    rows = [_row(record) for record in records if record["status"] != "error"]
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(record: Record) -> dict[str, Any]:
    case, params, memory, time = (record.get(part) or {} for part in ("case", "params", "memory", "time"))
    step_ms, relative = time.get("step_ms", {}), time.get("relative_to", {})
    return {
        **DEFAULTS,
        **case,
        "image_size": "{} x {}".format(*case["image_size"]),
        "status": record["status"],
        "params": params.get("trainable_backbone"),
        "allocated_mib": _mib(memory.get("peak_allocated_bytes")),
        "reserved_mib": _mib(memory.get("peak_reserved_bytes")),
        "at_peak": memory.get("at_peak"),
        "worst_batch": memory.get("worst_batch"),
        "step_ms": step_ms.get("median"),
        "step_p10_ms": step_ms.get("p10"),
        "step_p90_ms": step_ms.get("p90"),
        "samples": len(step_ms.get("samples", ())),
        "inference_ms": time.get("inference_ms", {}).get("median"),
        "relative_to_full": relative.get("ratio", {}).get("median"),
        "inference_relative_to_full": relative.get("inference_ratio", {}).get("median"),
        "fits": record.get("fits") or {},
        "predicted": record.get("predicted_time") or {},
        "environment": record["environment"],
    }


def published(table: str) -> pd.DataFrame:
    """One of the paper's tables, indexed by the method's key (and backbone or batch size where it has one)."""
    frame = pd.read_csv(PUBLISHED / f"{table}.csv")
    frame["key"] = frame["method"].map(method_key)
    return frame


def upernet_peaks() -> list[dict[str, Any]]:
    """Peak memory of UPerNet with Swin, as mmsegmentation publishes it."""
    return pd.read_csv(PUBLISHED / "mmsegmentation_upernet_swin.csv").astype(object).to_dict("records")


def method_key(method: str) -> str:
    """What a name on the command line (`norm_tuning`) and in the paper (`Norm-Tuning`) have in common."""
    return "".join(character for character in method.lower() if character.isalnum() or character == "+")


@functools.cache
def labels() -> dict[str, str]:
    """Method key -> the paper's spelling, in the order of its tables."""
    return {method_key(method): method for method in pd.read_csv(PUBLISHED / "table3_training_time.csv")["method"]}


def select(frame: pd.DataFrame, *, free: Sequence[str] = (), **wanted: object) -> pd.DataFrame:
    """Rows with these values, one per method (the latest), indexed by method key in the order of the paper's tables.

    Rows that differ in any other setting cannot stand in one table: the settings that most methods share win. Those
    named `free` may differ, and then a method has a row for each of their values.
    """
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    if frame.empty:
        return frame.assign(key=[]).set_index("key", drop=False).rename_axis(None)
    fixed = [setting for setting in SETTINGS if setting not in free]
    frame = max((rows for _, rows in frame.groupby(fixed, sort=False)), key=lambda rows: rows["method"].nunique())
    frame = frame.drop_duplicates(["method", *free], keep="last").assign(
        key=lambda rows: rows["method"].map(method_key)
    )
    order = {key: position for position, key in enumerate(labels())}
    ordered = frame.sort_values("key", key=lambda keys: keys.map(lambda key: order.get(key, len(order))), kind="stable")
    return ordered.set_index("key", drop=False).rename_axis(None)


def label_of(method: str) -> str:
    """The paper's spelling of a method, or its own name if the paper does not have it."""
    return labels().get(method_key(method), method)


def _mib(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / MIB
