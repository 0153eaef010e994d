"""Result lines as one table: a row per measured case."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

MIB = 1 << 20
PUBLISHED = Path(__file__).with_name("published")
Record = Mapping[str, Any]


def frame_of(records: Sequence[Record]) -> pd.DataFrame:
    """Rows of results that have memory or time, or ran out of memory; cases that failed have nothing to show."""
    rows = []
    for record in records:
        if record["status"] == "error":
            continue
        case, params, memory, time = (record.get(part) or {} for part in ("case", "params", "memory", "time"))
        rows.append(
            {
                **case,
                "image_size": "{} x {}".format(*case["image_size"]),
                "status": record["status"],
                "params": params.get("trainable_backbone"),
                "allocated_mib": _mib(memory.get("peak_allocated_bytes")),
                "reserved_mib": _mib(memory.get("peak_reserved_bytes")),
                "at_peak": memory.get("at_peak"),
                "step_ms": time.get("step_ms", {}).get("median"),
                "step_p10_ms": time.get("step_ms", {}).get("p10"),
                "step_p90_ms": time.get("step_ms", {}).get("p90"),
                "samples": len(time.get("step_ms", {}).get("samples", ())),
                "fits": record.get("fits") or {},
                "environment": record["environment"],
            }
        )
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else COLUMNS)


COLUMNS = [
    "task",
    "backbone",
    "method",
    "engine",
    "batch_size",
    "image_size",
    "params",
    "reserved_mib",
    "step_ms",
    "fits",
]


def published(table: str) -> pd.DataFrame:
    """One of the paper's tables, indexed by the method's key (and backbone or batch size where it has one)."""
    frame = pd.read_csv(PUBLISHED / f"{table}.csv")
    frame["key"] = frame["method"].map(method_key)
    return frame


def method_key(method: str) -> str:
    """What a name on the command line (`norm_tuning`) and in the paper (`Norm-Tuning`) have in common."""
    return "".join(character for character in method.lower() if character.isalnum() or character == "+")


def labels() -> dict[str, str]:
    """Method key -> the paper's spelling, in the order of its tables."""
    return {method_key(method): method for method in pd.read_csv(PUBLISHED / "table3_training_time.csv")["method"]}


def select(frame: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    """Rows with these values, one per method (the latest), in the order of the paper's tables."""
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    frame = frame.drop_duplicates("method", keep="last").assign(key=lambda f: f["method"].map(method_key))
    order = {key: position for position, key in enumerate(labels())}
    return frame.sort_values("key", key=lambda keys: keys.map(lambda key: order.get(key, len(order))), kind="stable")


def label_of(method: str) -> str:
    """The paper's spelling of a method, or its own name if the paper does not have it."""
    return labels().get(method_key(method), method)


def _mib(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / MIB
