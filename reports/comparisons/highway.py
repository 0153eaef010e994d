"""Forms of E3VA's highway and options of its frozen trunk: what each takes above the frozen model."""

from dataclasses import dataclass

import pandas as pd

from reports.cells import Column, number
from reports.forms import REFERENCE
from reports.ratios import percent_of
from reports.records import select
from reports.tables import TASKS, Table, settings_text
from reports.times.measured import spread_text, timing_text
from reports.times.predicted import PREDICTED_NOTE, predicted_columns
from reports.times.shares import UNSURE_NOTE, Shares, shares_of_full

TASK, BACKBONE, TIMED_BACKBONE = "voc", "swin_large", "swin_tiny"
OPTIONS = ["fused_attention", "bf16_trunk"]

TURNS_NOTE = (
    "*Points of Full* and the share of the reference after them come from ratios to Full, of steps that were timed in "
    "turns."
)
NO_SHARE_NOTE = "The reference form is not told apart from Fixed, so that the forms have no share of what it adds."


@dataclass(frozen=True)
class Row:
    """A way to compute the highway and the trunk beside it."""

    label: str
    base: str
    form: str
    fused_attention: bool = False
    bf16_trunk: bool = False

    @property
    def key(self) -> tuple[str, str, bool, bool]:
        """What a result has of it."""
        return self.base, self.form, self.fused_attention, self.bf16_trunk


FIXED, BASE = Row("Fixed", "fixed", ""), Row("E3VA, reference", "e3va", REFERENCE)
ROWS = (
    FIXED,
    BASE,
    Row("E3VA, fused", "e3va", "fused"),
    Row("E3VA, fused, fused attention", "e3va", "fused", fused_attention=True),
    Row("E3VA, fused, bfloat16 trunk", "e3va", "fused", bf16_trunk=True),
    Row("E3VA, recompute", "e3va", "recompute"),
    Row("E3VA, recompute, fused attention", "e3va", "recompute", fused_attention=True),
    Row("E3VA, recompute, bfloat16 trunk", "e3va", "recompute", bf16_trunk=True),
    Row("E3VA+, reference", "e3va+", REFERENCE),
    Row("E3VA+, fused", "e3va+", "fused"),
    Row("E3VA+, recompute", "e3va+", "recompute"),
    Row("E3VA++, reference", "e3va++", REFERENCE),
    Row("E3VA++, fused", "e3va++", "fused"),
    Row("E3VA++, recompute", "e3va++", "recompute"),
)


def highway_table(frame: pd.DataFrame) -> Table | None:
    """Memory and step time of each, and how much of it is above Fixed; nothing where Fixed or the reference lacks."""
    memory = _rows(frame, BACKBONE, "simulate")
    if memory.empty or memory.loc[[FIXED.key, BASE.key], "allocated_mib"].isna().any():
        return None
    allocated = memory["allocated_mib"]
    columns: list[Column] = [
        ("Form", [row.label for row in ROWS]),
        ("allocated MiB", number(allocated)),
        ("above Fixed", number(_above_fixed(allocated))),
        ("% of reference", number(_share(allocated), 1)),
        ("reserved MiB", number(memory["reserved_mib"])),
    ]
    time = _rows(frame, TIMED_BACKBONE, "cpu")
    predicted = predicted_columns(memory["predicted"], BASE.key, "% of reference's step")
    columns += predicted
    timing = PREDICTED_NOTE if predicted else ""
    if not time.empty and time["step_ms"].notna().any():
        above = _shares(time).minus(FIXED.key)
        share = above.of(BASE.key)
        columns += [
            ("CPU step ms (p10-p90)", spread_text(time)),
            ("above Fixed, points of Full", above.cells(0.0, sign=True)),
            *([("% of reference", share.cells(100.0))] if share else []),
        ]
        note = TURNS_NOTE if share else f"{TURNS_NOTE} {NO_SHARE_NOTE}"
        timing += f" {timing_text({TASK: time.dropna(subset='task')})} {note} {UNSURE_NOTE}"
    first = memory.dropna(subset="task").iloc[0]
    return Table(
        "Forms of the highway",
        "One function, computed in three ways: *reference* is made of plain modules as the paper describes it; "
        "*fused*, the default, computes the adapters of a stage at once and keeps their inputs alone for backward; "
        "*recompute* keeps the inputs of stages, and runs each stage again in backward, its frozen blocks too. "
        "*Above Fixed* is what tuning the "
        "highway adds to the frozen backbone with trained heads (explicit attention, float32); *% of reference* is the "
        "share of what the reference form of E3VA (rank 8) adds. Options of the frozen trunk: fused attention, and "
        f"blocks stored and computed in bfloat16, which rounds. Memory is **simulated**: {TASKS[TASK]} {BACKBONE}, "
        f"{settings_text(first)}.{timing}",
        columns,
    )


def _rows(frame: pd.DataFrame, backbone: str, engine: str) -> pd.DataFrame:
    """One row per form, in their order; empty where none was measured."""
    if frame.empty:
        return frame
    shown = frame["base"].isin([row.base for row in ROWS]) & (frame["variant"] == "")
    unstated = {name: False for name in OPTIONS if name not in frame}  # lines of former versions
    wanted = frame[shown & ~frame["checkpointing"].astype(bool)].assign(**unstated)
    rows = select(wanted, free=OPTIONS, task=TASK, backbone=backbone, engine=engine, batch_size=2)
    return rows if rows.empty else rows.set_index(["base", "form", *OPTIONS]).reindex([row.key for row in ROWS])


def _shares(time: pd.DataFrame) -> Shares:
    """Percent of Full; nothing for fused attention, which was timed in turns with a Full that has it, too."""
    ratios = [name for name in time.columns if name.startswith("relative_")]
    return shares_of_full(
        time.assign(**{name: time[name].mask([row.fused_attention for row in ROWS]) for name in ratios})
    )


def _above_fixed(values: pd.Series) -> pd.Series:
    return values - values.loc[FIXED.key]


def _share(values: pd.Series) -> pd.Series:
    above = _above_fixed(values)
    return percent_of(above, above.loc[BASE.key])
