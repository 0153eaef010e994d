"""What a method stores, keeps and computes: the paper's propagation argument as figures, one table per task."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.cells import Column, number
from reports.forms import in_rows_of_the_paper, papers_rows, select_rows
from reports.ratios import percent_of_full
from reports.tables import FORMS_NOTE, TASKS, Table, settings_text
from reports.units import MIB

BACKBONES = {"voc": "swin_large", "ade20k": "swin_large", "coco": "swin_base"}
TERA = 1e12
TITLE = "What a method stores, keeps and computes"
QUANTITIES = (
    ("stored MiB", "stored_bytes", MIB, 2),
    ("saved MiB", "saved_bytes", MIB, 0),
    ("backward TFLOP", "backward_flops", TERA, 3),
    ("forward TFLOP", "forward_flops", TERA, 3),
)
"""Heading, the field of a result's `cost`, which has a sibling for the backbone alone, unit and digits."""


def cost_tables(frame: pd.DataFrame, tasks: Sequence[str] = tuple(TASKS)) -> list[Table]:
    """A table for each of these tasks whose results say what they cost."""
    if frame.empty:
        return []
    known = in_rows_of_the_paper(frame[frame["cost"].astype(bool)])
    wanted: dict[str, Any] = {"engine": "simulate", "batch_size": 2}
    found = {task: select_rows(known, task=task, backbone=BACKBONES[task], **wanted) for task in tasks}
    return [_table(task, rows) for task, rows in found.items() if not rows.empty]


def _table(task: str, rows: pd.DataFrame) -> Table:
    keys, names = papers_rows((), [rows])
    costs = pd.DataFrame(list(rows["cost"]), index=rows.index).reindex(keys)
    columns: list[Column] = [("Method", names)]
    for heading, field, unit, digits in QUANTITIES:
        of_backbone, of_model = (_values(costs, name) / unit for name in (f"backbone_{field}", field))
        columns += [
            (heading, number(of_backbone, digits)),
            ("% of Full", number(percent_of_full(of_backbone), 1)),
            ("with heads", number(of_model, digits)),
        ]
    return Table(
        f"{TITLE}. {TASKS[task]}, {rows.iloc[0]['backbone']}",
        f"**Simulated**: {settings_text(rows.iloc[0])}. Figures are those of the backbone, in which methods differ; "
        "those *with heads* are of the whole model, whose neck and heads always train. *Stored* is what one more task "
        "takes on disk: a safetensors file of all that training changes, which is the parameters that train and the "
        "statistics of batch norms. *Saved* is what a step keeps from its forward pass until its backward pass, before "
        "an allocator rounds it. *TFLOP* are 10^12 floating-point operations of matrix products and convolutions in "
        "one step; a multiplication and an addition are two. The paper publishes none of these figures. It argues "
        "(section 3.4) that methods inside the backbone propagate backward through all of it, and that the highway of "
        f"E3VA does not: *saved* and *backward* show how far that holds. {FORMS_NOTE}",
        columns,
    )


def _values(costs: pd.DataFrame, field: str) -> pd.Series:
    return costs[field].astype(float) if field in costs else pd.Series(index=costs.index, dtype=float)
