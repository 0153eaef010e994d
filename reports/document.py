"""The report: one markdown document with its pictures, from stored results."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports.accuracy.runs import runs_of
from reports.comparisons.ablations import ablation_tables
from reports.comparisons.allocators import allocators_table
from reports.comparisons.highway import highway_table
from reports.comparisons.levers import levers_table
from reports.comparisons.rivals import RIVALS, rivals_table
from reports.comparisons.runs import run_table
from reports.escaping import markdown_line
from reports.forms import OF_PLAIN_MODULES, in_rows_of_the_paper, is_as_published
from reports.measured_cards import measured_tables
from reports.paper.absent import NEEDED, absent_tables, unmatched_figures
from reports.paper.authors_logs import logs_table
from reports.paper.averages import averages_table
from reports.paper.costs import cost_tables
from reports.paper.gpu_classes import contradictions, probable_table4, table4
from reports.paper.inference import inference_table
from reports.paper.paradigms import paradigms_table
from reports.paper.paradigms_plot import paradigms
from reports.paper_settings import paper_settings_tables, single_shapes
from reports.plots.bars import breakdown, time_by_operator
from reports.plots.scatter import memory_against_parameters
from reports.plots.trainability import trainability
from reports.predicted_times import (
    calibration_table,
    measured_table,
    predicted_tables,
    step_check_table,
    throughput_tables,
)
from reports.records import Record, frame_of, labels, method_key
from reports.tables import Table, table1, table2
from reports.times.table3 import table3
from reports.trainings import trainings_tables
from reports.validation import validation_tables

FILE_NAME = "report.md"
TABLES: Mapping[int, Callable[[pd.DataFrame, pd.DataFrame], Table | None]] = {
    1: table1,
    2: table2,
    3: lambda frame, _: table3(frame),
    4: lambda frame, _: table4(frame),
}
"""Number of a table of the paper -> what builds it from results and from runs of trainings."""
PICTURES = (
    ("memory_vs_parameters.png", memory_against_parameters, "Memory against trained parameters"),
    ("breakdown.png", breakdown, "What is alive at the peak"),
    ("trainability.png", trainability, "What trains on which card"),
    ("time_by_operator.png", time_by_operator, "What a step spends its time on"),
)
FIGURE_1 = ("paradigms.png", "Figure 1: parameters, memory and time of three ways to train")
COST_TASKS = {1: ("voc", "ade20k"), 2: ("coco",)}
"""Table of the paper -> the tasks whose costs stand beside it."""


def write_report(
    records: Sequence[Record],
    folder: Path,
    tables: Sequence[int] = tuple(TABLES),
    checks: Sequence[Record] = (),
    step_checks: Sequence[Record] = (),
    evaluations: Sequence[Record] = (),
) -> Path:
    """Write report and pictures into a folder and return the document's path.

    Raises `ValueError` for a folder that cannot be made, and `OSError` for what cannot be written into it. `checks` are
    those of `python -m bench validate`, `step_checks` those of its `--step-time`, `evaluations` those of
    `python -m bench evaluate`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"cannot write the report to {folder}: {error.strerror}") from error
    frame = frame_of(records)
    pictured = _pictured(single_shapes(frame))
    drawn = [(name, title) for name, draw, title in PICTURES if draw(pictured, folder / name)]
    if _wants_all(tables) and paradigms(frame, folder / FIGURE_1[0]):
        drawn.append(FIGURE_1)
    trust = [
        table
        for table in (*validation_tables(checks), step_check_table(step_checks), calibration_table(step_checks))
        if table is not None
    ]
    built = [*build_tables(frame, tables, evaluations), *trust, *measured_tables()]
    document = folder / FILE_NAME
    wanted = NEEDED if _wants_all(tables) else tables
    absent = absent_tables((table.title for table in built), wanted) if built else []
    document.write_text(_markdown(records, frame, drawn, built, absent), encoding="utf-8")
    return document


def build_tables(
    frame: pd.DataFrame, numbers: Sequence[int] = tuple(TABLES), evaluations: Sequence[Record] = ()
) -> list[Table]:
    """The tables for which there are results: the paper's, our trainings, ablations, rivals, its settings, runs.

    `evaluations` are those of `python -m bench evaluate`.
    """
    shapes, trained = single_shapes(frame), runs_of(evaluations)
    tables: list[Table | None] = []
    for number in numbers:
        tables += [] if number != 3 else _predicted(shapes)  # a GPU's times stand before those of a CPU
        tables.append(TABLES[number](_without_rivals(shapes), trained))
    times = _times(shapes) if 3 in numbers else []
    claims = [probable_table4(frame), contradictions(shapes, frame)] if 4 in numbers else []
    of_all = [paradigms_table(frame), averages_table(shapes, frame), logs_table(shapes)] if _wants_all(numbers) else []
    costs = cost_tables(_without_rivals(shapes), [task for number in numbers for task in COST_TASKS.get(number, ())])
    methods = [*ablation_tables(shapes, trained), highway_table(shapes), rivals_table(shapes), levers_table(shapes)]
    runs = [run_table(frame), allocators_table(frame)]
    built = [
        *tables,
        *claims,
        *trainings_tables(trained),
        *of_all,
        *costs,
        *times,
        *methods,
        *paper_settings_tables(frame),
        *runs,
    ]
    return [table for table in built if table is not None]


def _wants_all(numbers: Sequence[int]) -> bool:
    return set(numbers) >= set(TABLES)


def _times(frame: pd.DataFrame) -> list[Table | None]:
    own = _without_rivals(frame)
    return [inference_table(own), measured_table(frame), *throughput_tables(in_rows_of_the_paper(own))]


def _predicted(frame: pd.DataFrame) -> list[Table]:
    return predicted_tables(in_rows_of_the_paper(_without_rivals(frame)))


def _pictured(frame: pd.DataFrame) -> pd.DataFrame:
    """What the pictures show: the methods in the paper's form, and our forms of the first of those with several."""
    rows = in_rows_of_the_paper(_without_rivals(frame))
    return rows[is_as_published(rows) | ~rows["base"].isin(OF_PLAIN_MODULES[1:])]


def _without_rivals(frame: pd.DataFrame) -> pd.DataFrame:
    """The paper's methods in all their forms, and any other, but none that has a table of its own here."""
    rivals = {method_key(rival.method) for rival in RIVALS} - labels().keys()
    return frame[~frame["base"].map(method_key).isin(rivals)]


def _markdown(
    records: Sequence[Record],
    frame: pd.DataFrame,
    drawn: Sequence[tuple[str, str]],
    tables: Sequence[Table],
    absent: Sequence[str],
) -> str:
    parts = ["# What it costs to fine-tune Swin for dense prediction\n", HOW_TO_READ]
    parts += [f"![{title}]({name})\n" for name, title in drawn]
    parts += [table.to_markdown() for table in tables] or ["No results yet.\n"]
    parts += [_list("Tables of the paper that are missing here", absent)] if absent else []
    unmatched = unmatched_figures(tables)
    parts += [_list("Figures of the paper that have none of ours beside them", unmatched)] if unmatched else []
    parts += [_failures(records), _provenance(frame)]
    return "\n".join(part for part in parts if part)


def _failures(records: Sequence[Record]) -> str:
    failed = [record for record in records if record["status"] == "error"]
    if not failed:
        return ""
    cases = [(record["case"], record["message"]) for record in failed]
    lines = [f"{case['task']} {case['backbone']} {case['method']}: {message}" for case, message in cases]
    return _list("Cases that failed", lines)


def _provenance(frame: pd.DataFrame) -> str:
    if frame.empty:
        return ""
    lines = []
    for engine, rows in frame.groupby("engine"):
        # As text, because an environment holds objects and lists, which cannot be counted.
        environments = Counter(json.dumps(environment, sort_keys=True) for environment in rows["environment"])
        for environment, count in sorted(environments.items()):
            lines.append(f"{engine} ({count} cases): {_facts(json.loads(environment))}")
    return _list("Where the figures come from", lines)


def _facts(environment: Mapping[str, Any]) -> str:
    """What is known of an environment, in one line."""
    known = {name: value for name, value in environment.items() if value is not None}
    dirty = " with uncommitted changes" if known.pop("git_dirty", False) else ""
    return ", ".join(f"{name.replace('_', ' ')} {_fact(value)}" for name, value in known.items()) + dirty


def _fact(value: Any) -> str:
    """A value of any JSON type, what it holds in brackets."""
    if isinstance(value, dict):
        return f"({', '.join(f'{name}: {_fact(held)}' for name, held in value.items())})"
    if isinstance(value, list):
        return f"({', '.join(map(_fact, value))})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _list(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}\n", *(f"- {markdown_line(line)}" for line in lines), ""])


HOW_TO_READ = """\
Every figure is **measured** (a real step ran on the device that is named, or a trained model was evaluated),
**simulated** (allocations of the step, traced without a GPU, replayed through a model of PyTorch's CUDA caching
allocator), **predicted** (times, from the same trace and from single operators that others measured on GPUs) or
**published** (the paper's, in columns that say so). MiB are 2^20 bytes. Memory is *reserved* memory unless it says
*allocated*; a GPU's driver shows 0.3 to 1.3 GiB more, the CUDA context. "–" means that there is no figure; OOM is a
result.
"""
