"""Inference: how long each method's backbone takes. The paper's own comparison is in an appendix that we lack."""

import pandas as pd

from reports.cells import Column, number
from reports.forms import papers_rows
from reports.ratios import FULL
from reports.tables import FORMS_NOTE, TASKS, Table
from reports.times.measured import timing_text
from reports.times.shares import SHARES_NOTE, shares_of_full
from reports.times.table3 import timed_rows


def inference_table(frame: pd.DataFrame) -> Table | None:
    """Time of the backbone without a graph, per task; nothing where none was measured."""
    found = timed_rows(frame[frame["inference_ms"].notna()])
    measured = {task: of_task for task, of_task in found.items() if not of_task.empty}
    if not measured:
        return None
    keys, names = papers_rows((), measured.values())
    columns: list[Column] = [("Method", names)]
    for task, of_task in measured.items():
        timed = of_task.reindex(keys)
        columns += [
            (f"{TASKS[task]} ms", number(timed["inference_ms"], 1)),
            ("% of Full", shares_of_full(timed, FULL, "inference_relative").cells(100.0)),
            ("images/s", number(1e3 * timed["batch_size"] / timed["inference_ms"], 1)),
        ]
    return Table(
        "Inference speed of the backbone",
        f"{timing_text(measured)} After each step the backbone runs once more without a graph and in evaluation mode; "
        "neck and heads, which no method changes, are left out. A method that adds no modules computes what Full does. "
        "The paper compares inference in an appendix, which the text that we worked from lacks; the one speed that it "
        f"gives elsewhere stands in Table 5. {SHARES_NOTE} {FORMS_NOTE}",
        columns,
    )
