"""Result lines as one table: a row per measured case."""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports.cells import MISSING
from reports.units import MIB

PUBLISHED = Path(__file__).with_name("published")
Record = Mapping[str, Any]

IDENTITY = ("task", "method", "base", "form", "variant", "engine")
"""Columns that say what a row is about."""
FIGURES = (
    "status", "params", "cost", "allocated_mib", "reserved_mib", "at_peak", "worst_batch", "step_ms", "step_p10_ms",
    "step_p90_ms", "samples", "contention", "inference_ms", "relative_to_full", "relative_low", "relative_high",
    "inference_relative_to_full", "inference_relative_low", "inference_relative_high", "fits", "predicted",
    "environment",
)  # fmt: skip
"""Columns of what was found out."""
KEY = "key"
"""Column and index of what `select` returns: the method's key."""


def frame_of(records: Sequence[Record]) -> pd.DataFrame:
    """Rows of results with memory or time, or that ran out of memory; cases that failed have nothing to show.

    Beside `IDENTITY` and `FIGURES` there is a column for each setting that some case has (`settings_of`). A case that
    lacks one takes the value that most others have.
    """
    shown = [record for record in records if record["status"] != "error"]
    settings = [_settings(record) for record in shown]
    names = dict.fromkeys(name for of_one in settings for name in of_one)
    usual = {name: _usual([of_one[name] for of_one in settings if name in of_one]) for name in names}
    rows = [
        {**_identity(record), **usual, **of_one, **_figures(record)}
        for record, of_one in zip(shown, settings, strict=True)
    ]
    return pd.DataFrame(rows, columns=[*IDENTITY, *names, *FIGURES])


def settings_of(frame: pd.DataFrame) -> list[str]:
    """Columns of a frame that are settings: what cases say beside their task, method and engine."""
    return [column for column in frame.columns if column not in {*IDENTITY, *FIGURES, KEY}]


def _identity(record: Record) -> dict[str, str]:
    case = record["case"]
    of_method = {"base": case["method"], "form": "", "variant": "", **(record.get("method") or {})}
    return {name: {**case, **of_method}[name] for name in IDENTITY}


def _settings(record: Record) -> dict[str, Any]:
    return {name: _setting(value) for name, value in record["case"].items() if name not in IDENTITY}


def _setting(value: Any) -> Any:
    """A value that pandas can group and compare: it holds no null equal to another, and cannot group lists."""
    if value is None:
        return MISSING
    return " x ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _usual(values: Sequence[Any]) -> Any:
    return Counter(values).most_common(1)[0][0]


def _figures(record: Record) -> dict[str, Any]:
    params, memory, time = (_part(record, name) for name in ("params", "memory", "time"))
    step_ms, relative = _part(time, "step_ms"), _part(time, "relative_to")
    return {
        "status": record["status"],
        "params": params.get("trainable_backbone"),
        "cost": _part(record, "cost"),
        "allocated_mib": _mib(memory.get("peak_allocated_bytes")),
        "reserved_mib": _mib(memory.get("peak_reserved_bytes")),
        "at_peak": _part(memory, "at_peak"),
        "worst_batch": memory.get("worst_batch"),
        "step_ms": step_ms.get("median"),
        "step_p10_ms": step_ms.get("p10"),
        "step_p90_ms": step_ms.get("p90"),
        "samples": len(step_ms.get("samples") or ()),
        "inference_ms": _part(time, "inference_ms").get("median"),
        "contention": _part(time, "contention"),
        **_ratios("relative", _part(relative, "ratio")),
        **_ratios("inference_relative", _part(relative, "inference_ratio")),
        "fits": _part(record, "fits"),
        "predicted": _part(record, "predicted_time"),
        "environment": _part(record, "environment"),
    }


def _ratios(of: str, found: Record) -> dict[str, float | None]:
    """Median of the ratios to Full, and the interval that holds it."""
    return {f"{of}_to_full": found.get("median"), f"{of}_low": found.get("low"), f"{of}_high": found.get("high")}


def _part(whole: Record, name: str) -> Record:
    """An optional part of a record or of its parts, which may be left out or null."""
    return whole.get(name) or {}


def published(table: str) -> pd.DataFrame:
    """One of the paper's tables, indexed by the method's key (and backbone or batch size where it has one)."""
    frame = pd.read_csv(PUBLISHED / f"{table}.csv")
    frame[KEY] = frame["method"].map(method_key)
    return frame


def upernet_peaks() -> list[dict[str, Any]]:
    """Peak memory of UPerNet with Swin, as mmsegmentation publishes it."""
    return _rows("mmsegmentation_upernet_swin")


def retinanet_peaks() -> list[dict[str, Any]]:
    """Peak memory of RetinaNet with ResNets, as mmdetection publishes it."""
    return _rows("mmdetection_retinanet_resnet")


def _rows(table: str) -> list[dict[str, Any]]:
    return pd.read_csv(PUBLISHED / f"{table}.csv").astype(object).to_dict("records")


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
    if not frame.empty:  # a frame without results has no columns of settings either
        for column, value in wanted.items():
            frame = frame[frame[column] == value]
    if frame.empty:
        return frame.assign(**{KEY: []}).set_index(KEY, drop=False).rename_axis(None)
    fixed = [setting for setting in settings_of(frame) if setting not in free]
    frame = max((rows for _, rows in frame.groupby(fixed, sort=False)), key=lambda rows: rows["method"].nunique())
    frame = frame.drop_duplicates(["method", *free], keep="last")
    frame = frame.assign(**{KEY: frame["method"].map(method_key)})
    order = {key: position for position, key in enumerate(labels())}
    ordered = frame.sort_values(KEY, key=lambda keys: keys.map(lambda key: order.get(key, len(order))), kind="stable")
    return ordered.set_index(KEY, drop=False).rename_axis(None)


def cards_of(parts: pd.Series) -> list[str]:
    """The cards that any row of a column of parts per card names, in order."""
    return list(dict.fromkeys(card for of_one in parts for card in of_one))


def label_of(method: str) -> str:
    """The paper's spelling of a method, or its own name if the paper does not have it."""
    return labels().get(method_key(method), method)


def _mib(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / MIB
