"""The paper's Table 3 as a CPU measured it: step times in percent of Full's, beside the published ones."""

import pandas as pd

from reports.cells import Column, number, signed
from reports.forms import absent_note, in_rows_of_the_paper, papers_rows, select_rows
from reports.ratios import FULL
from reports.records import KEY, labels, published
from reports.tables import FORMS_NOTE, TASKS, Table
from reports.times.measured import spread_text, timing_text
from reports.times.shares import SHARES_NOTE, UNSURE, Shares, shares_of_full

TIMED_BACKBONE = "swin_tiny"


def table3(frame: pd.DataFrame) -> Table | None:
    """Step time relative to Full."""
    found = timed_rows(frame)
    measured = {task: of_task for task, of_task in found.items() if not of_task.empty}
    if not measured:
        return None
    table = published("table3_training_time").set_index(KEY)
    keys, names = papers_rows(table.index, measured.values())
    paper = table.reindex(keys)
    columns: list[Column] = [("Method", names)]
    for task, of_task in found.items():
        timed = of_task.reindex(keys)
        shares = shares_of_full(timed, FULL)
        columns += [
            (f"{TASKS[task]} ms (p10-p90)", spread_text(timed)),
            ("% of Full", shares.cells(100.0)),
            ("paper", number(paper[f"{task}_pct_full"], 1)),
            ("points", _points(shares, paper[f"{task}_pct_full"])),
            ("hours, paper", number(paper[f"{task}_hours"])),
        ]
    caption = (
        f"{timing_text(measured)} {SHARES_NOTE} {FORMS_NOTE} Compare *% of Full* alone with the paper: its hours are "
        "whole trainings of Swin-L (VOC, ADE20K) and Swin-B (COCO) on GPUs."
    )
    absent = absent_note([(TASKS[task], labels(), of_task.index) for task, of_task in found.items()])
    return Table("Table 3. Training time", caption + absent, columns)


def timed_rows(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Of each task, a row per method that was timed."""
    rows = in_rows_of_the_paper(frame[frame["step_ms"].notna()])
    return {task: select_rows(rows, task=task, backbone=TIMED_BACKBONE, engine="cpu") for task in TASKS}


def _points(shares: Shares, paper: pd.Series) -> list[str]:
    """How far the figures lie above the paper's, marked where they are not sure themselves."""
    above = shares.percent - paper
    return [
        cell if pd.isna(value) or shares.is_sure(number, 100.0) else f"{UNSURE} {signed([value], 0)[0]}"
        for number, (value, cell) in enumerate(zip(above, signed(above), strict=True))
    ]
