"""Counts of trained parameters that logs of the paper's first author print, beside the paper's and ours."""

import pandas as pd

from reports.cells import number
from reports.forms import in_rows_of_the_paper, select_rows
from reports.records import KEY, labels, published
from reports.tables import TASKS, Table


def logs_table(frame: pd.DataFrame) -> Table | None:
    """A row per log; nothing where none of these cases was counted here."""
    logs = published("authors_logs")
    paper = published("table1_voc_ade20k_swin_large").set_index(KEY)["trained_params_m"]
    rows = in_rows_of_the_paper(frame)
    ours = pd.Series(
        [
            select_rows(rows, task=task, backbone=backbone, engine="simulate")["params"].get(key)
            for key, task, backbone in zip(logs[KEY], logs["task"], logs["backbone"], strict=True)
        ],
        dtype=float,
    )
    if ours.isna().all():
        return None
    logged = logs["trained_backbone_params"]
    return Table(
        "Trained parameters in the authors' logs",
        "Training logs in the repository of a sister paper with the same first author (Leiyi-Hu/mona) print how many "
        "parameters of the Swin-L train. The columns *paper* and *log* are **published**; ours are **counted**.",
        [
            ("Method", [labels()[key] for key in logs[KEY]]),
            ("task", [TASKS[task] for task in logs["task"]]),
            ("paper M", number(paper.reindex(logs[KEY]), 2)),
            ("log", number(logged)),
            ("ours", number(ours)),
            ("ours - log", number(ours - logged)),
        ],
    )
