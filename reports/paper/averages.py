"""The averages of the paper's abstract: what E3VA saves of memory and of time, published and ours by the same rule."""

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from reports.cells import number
from reports.forms import in_rows_of_the_paper, select_rows
from reports.paper_settings import probable_mib
from reports.ratios import FULL, percent_above_full, percent_of_full
from reports.records import KEY, published
from reports.tables import TASKS, Table
from reports.times.predicted import PAPERS_CARD, card_times
from reports.times.shares import shares_of_full
from reports.times.table3 import timed_rows

METHOD = "e3va"
"""Key of the method that the abstract speaks of: the smallest of the three."""
MEMORY = {"voc": ("table1_voc_ade20k_swin_large", "swin_large"), "coco": ("table2_coco_swin_base", "swin_base")}
"""Task -> the paper's table that has its memory, and the backbone of its Full."""
BACKBONES = {"voc": "swin_large", "ade20k": "swin_large", "coco": "swin_base"}
Saved = Mapping[str, float]
"""Task -> percent of Full that a method saves."""


def averages_table(shapes: pd.DataFrame, frame: pd.DataFrame) -> Table | None:
    """The paper's savings and ours, a row for each source. `shapes` has today's results alone, the frame all."""
    ours: dict[str, tuple[Saved, Iterable[str]]] = {
        "memory, simulated under today's rules": (_memory(shapes), MEMORY),
        "memory, simulated under the paper's probable settings": (_probable_memory(frame), MEMORY),
        f"time of a step, predicted for a {PAPERS_CARD}": (_predicted_time(shapes), TASKS),
        "time of a step, measured on a CPU": (_measured_time(shapes), TASKS),
    }
    if not any(saved for saved, _ in ours.values()):
        return None
    papers_memory, papers_time = _papers_memory(), _papers_time()
    rows: dict[str, tuple[Saved, Iterable[str]]] = {
        "memory, published": (papers_memory, MEMORY),
        **{label: row for label, row in ours.items() if label.startswith("memory")},
        "time of training, published": (papers_time, TASKS),
        **{label: row for label, row in ours.items() if label.startswith("time")},
    }
    memory, time = number([_mean(papers_memory, MEMORY), _mean(papers_time, TASKS)], 1)
    return Table(
        "Averages of the abstract: what E3VA saves",
        f"Percent less than Full. The abstract's {memory} % of memory is the mean of what E3VA saves on VOC (Table 1) "
        f"and COCO (Table 2); the paper has no memory of ADE20K. Its {time} % of time is the mean over all three tasks "
        "(Table 3). Both are **published**; ours are the same means, of E3VA in its reference form. A mean is missing "
        "where one of its tasks is.",
        [
            ("Saved", list(rows)),
            *(
                (label, number((saved.get(task, math.nan) for saved, _ in rows.values()), 1))
                for task, label in TASKS.items()
            ),
            ("mean", number((_mean(saved, tasks) for saved, tasks in rows.values()), 1)),
        ],
    )


def _mean(saved: Saved, tasks: Iterable[str]) -> float:
    values = [saved.get(task, math.nan) for task in tasks]
    return sum(values) / len(values)


def _papers_memory() -> Saved:
    return {
        task: -_of_method(published(table).drop_duplicates(KEY).set_index(KEY)["memory_delta_full_pct"])
        for task, (table, _) in MEMORY.items()
    }


def _papers_time() -> Saved:
    table = published("table3_training_time").set_index(KEY)
    return {task: 100 - _of_method(table[f"{task}_pct_full"]) for task in TASKS}


def _memory(frame: pd.DataFrame) -> Saved:
    """As Tables 1 and 2 have it."""
    rows = in_rows_of_the_paper(frame)
    found = {
        task: select_rows(rows, task=task, backbone=backbone, engine="simulate", batch_size=2)
        for task, (_, backbone) in MEMORY.items()
    }
    return _known({task: -_of_method(percent_above_full(of["reserved_mib"])) for task, of in found.items() if len(of)})


def _probable_memory(frame: pd.DataFrame) -> Saved:
    """Over the first batches of a training, with what nvidia-smi shows beside the reserved memory."""
    found = {task: probable_mib(frame, task) for task in MEMORY}
    return _known({task: -_of_method(percent_above_full(mib)) for task, mib in found.items() if mib is not None})


def _measured_time(frame: pd.DataFrame) -> Saved:
    """As Table 3 has it."""
    found = timed_rows(frame)
    return _known({task: 100 - _of_method(shares_of_full(of, FULL).percent) for task, of in found.items() if len(of)})


def _predicted_time(frame: pd.DataFrame) -> Saved:
    rows = in_rows_of_the_paper(frame[frame["predicted"].astype(bool)])
    saved = {}
    for task, backbone in BACKBONES.items():
        found = select_rows(rows, task=task, backbone=backbone, engine="simulate", batch_size=2, precision="fp32")
        saved[task] = 100 - _of_method(percent_of_full(card_times(found["predicted"])))
    return _known(saved)


def _of_method(values: pd.Series) -> float:
    return values.get(METHOD, math.nan)


def _known(saved: Saved) -> Saved:
    return {task: value for task, value in saved.items() if not pd.isna(value)}
