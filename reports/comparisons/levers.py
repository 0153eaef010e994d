"""Levers: what each way to save memory adds to those before it, and what it does alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.cells import MISSING, Column, number, signed
from reports.escaping import markdown_cell
from reports.ratios import percent_of
from reports.records import cards_of, settings_of
from reports.tables import TASKS, Table, setting_text

TASK, BACKBONE, BATCH_SIZE = "coco", "swin_large", 2
FULL, REFERENCE_SETTINGS = "full", {"checkpointing": False, "precision": "fp32", "fused_attention": False}
NEVER = "none of them"


@dataclass(frozen=True)
class Lever:
    """A row: one thing that is changed."""

    label: str
    changes: Mapping[str, Any]
    """Fields of a result's case, or its method, and their new values."""


LEVERS = (
    Lever("Full, fp32", {}),
    Lever("activation checkpointing", {"checkpointing": True}),
    Lever("bfloat16 autocast", {"precision": "amp-bf16"}),
    Lever("fused attention", {"fused_attention": True}),
    Lever("LoRA instead of Full", {"method": "lora"}),
    Lever("E3VA (fused form) instead of LoRA", {"method": "e3va"}),
    Lever("E3VA's recompute form", {"method": "e3va-recompute"}),
)


def levers_table(frame: pd.DataFrame) -> Table | None:
    """Memory and predicted time, lever by lever; nothing unless Full and all levers on top of it were simulated."""
    together, alone = _rows(frame, _together()), _rows(frame, [lever.changes for lever in LEVERS])
    if together is None:
        return None
    memory, first = together["reserved_mib"], together.iloc[0]
    card = _timed_card(together)
    columns: list[Column] = [
        ("Lever", [LEVERS[0].label, *(f"+ {lever.label}" for lever in LEVERS[1:])]),
        ("reserved MiB", number(memory)),
        ("MiB saved", number(-memory.diff())),
        ("% of Full", number(percent_of(memory, memory.iloc[0]), 1)),
        ("smallest card", [_smallest_card(fits) for fits in together["fits"]]),
        *_time(together, card),
    ]
    if alone is not None:
        of_full = percent_of(alone["reserved_mib"], alone["reserved_mib"].iloc[0])
        columns.append(("alone, % of Full's MiB", number(of_full, 1)))
        if card:
            columns.append(("alone, % of Full's ms", number(_share(_times(alone, card)), 1)))
    said = first.map(setting_text)
    return Table(
        "Levers: what each saves and costs",
        f"Each row keeps what the rows above it changed, except the method, which it replaces. {TASKS[TASK]}, "
        f"{said['backbone']}, {said['batch_size']} images of {said['image_size']}, AdamW. Memory is **simulated**, "
        f"reserved; {_of_times(card)}*alone*: Full with this change and no other. Methods differ in what they train "
        "and so in accuracy; the other levers change no more than rounding.",
        columns,
    )


def _together() -> list[dict[str, Any]]:
    """Changes of each row together with those above it."""
    changes: list[dict[str, Any]] = []
    for lever in LEVERS:
        changes.append({**(changes[-1] if changes else {}), **lever.changes})
    return changes


def _rows(frame: pd.DataFrame, changes: Sequence[Mapping[str, Any]]) -> pd.DataFrame | None:
    """The latest result of each row in order, all in the same other settings; None where one is missing."""
    if frame.empty or not set(REFERENCE_SETTINGS) <= set(frame.columns):
        return None
    shown = (frame["task"] == TASK) & (frame["backbone"] == BACKBONE) & (frame["engine"] == "simulate")
    cases = frame[shown & (frame["batch_size"] == BATCH_SIZE) & frame["reserved_mib"].notna()]
    others = [name for name in settings_of(frame) if name not in REFERENCE_SETTINGS]
    for _, same in cases.groupby(others, sort=False):
        found = [_matching(same, {"method": FULL, **REFERENCE_SETTINGS, **change}) for change in changes]
        if not any(rows.empty for rows in found):
            return pd.concat([rows.tail(1) for rows in found], ignore_index=True)
    return None


def _matching(rows: pd.DataFrame, wanted: Mapping[str, Any]) -> pd.DataFrame:
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def _time(rows: pd.DataFrame, card: str) -> list[Column]:
    if not card:
        return []
    times = _times(rows, card)
    return [
        (f"{card} ms", number(times)),
        ("ms added", signed(times.diff(), 0)),
        ("% of Full", number(_share(times), 1)),
    ]


def _timed_card(rows: pd.DataFrame) -> str:
    """The first card for which the time of every row is predicted; "" if there is none."""
    cards = cards_of(rows["predicted"])
    return next((card for card in cards if _times(rows, card).notna().all()), "")


def _times(rows: pd.DataFrame, card: str) -> pd.Series:
    return pd.Series([(times.get(card) or {}).get("step_ms") for times in rows["predicted"]], dtype=float)


def _share(times: pd.Series) -> pd.Series:
    return percent_of(times, times.iloc[0])


def _of_times(card: str) -> str:
    if not card:
        return "no card has a predicted time of all rows; "
    return f"times are **predicted** for the {markdown_cell(card)}, the first card that has all of these types; "


def _smallest_card(fits: Mapping[str, Any]) -> str:
    """The card with the least memory on which the step runs."""
    if not fits:
        return MISSING
    running = [
        (fit.get("usable_bytes") or 0, card)
        for card, fit in fits.items()
        if (fit or {}).get("verdict") in ("fits", "fits_with_retries")
    ]
    return min(running)[1] if running else NEVER
