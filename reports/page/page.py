"""The report as one HTML file that needs nothing else: the answer first, then pictures, then the paper's tables."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reports.measured_cards import measured_tables
from reports.page.answers import answers
from reports.page.bars import Bars, bars
from reports.page.looks import SHAPES, looks_of
from reports.page.outcomes import Outcome, Setting, settings_in
from reports.page.paradigms import FULL_AT, paradigms
from reports.page.rendering import render
from reports.page.scatter import Scatter, scatter
from reports.page.setting_tables import fits_table, timed_cards, times_of, times_table
from reports.page.table_files import named, write_tables
from reports.page.verdicts import SYMBOLS, MatrixRow, matrix
from reports.page.wide_tables import wide_table
from reports.paper.absent import unmatched_figures
from reports.predicted_times import calibration_table, step_check_table
from reports.records import Record, frame_of
from reports.tables import Table
from reports.units import GIB
from reports.validation import validation_tables

FILE_NAME = "report.html"
TORCH_FACTS = ("torch", "device", "git_commit")
"""What the page says of the environments that results come from."""


@dataclass(frozen=True)
class Shown:
    """All that the page has of one setting."""

    setting: Setting
    answers: Sequence[str]
    rows: Sequence[MatrixRow]
    bars: Bars | None
    scatter: Scatter | None
    timed_cards: Sequence[str]
    times: Sequence[tuple[Outcome, Sequence[str]]]

    @property
    def is_unsure(self) -> bool:
        """Whether some verdict is neither that a step fits nor that it does not."""
        return any(cell.look == "unsure" for row in self.rows for cell in row.cells)


def page(
    records: Sequence[Record],
    tables: Sequence[Table],
    checks: Sequence[Record] = (),
    step_checks: Sequence[Record] = (),
) -> str:
    """The page as one text.

    `tables` are those of `reports.document.build_tables`. `checks` are those of `python -m bench validate`,
    `step_checks` those of its `--step-time`.
    """
    frame = frame_of(records)
    return _page(records, frame, settings_in(frame), [*tables, *_trust(checks, step_checks)])


def write_page(
    records: Sequence[Record],
    folder: Path,
    tables: Sequence[Table],
    checks: Sequence[Record] = (),
    step_checks: Sequence[Record] = (),
) -> Path:
    """Write the page, and each of its tables as CSV and LaTeX, into a folder that exists. Raises `OSError`."""
    frame = frame_of(records)
    settings = settings_in(frame)
    finished = [*tables, *_trust(checks, step_checks)]
    of_settings = [("fits", fits_table(settings)), ("step-times", times_table(settings))]
    write_tables([*named(finished), *((name, table) for name, table in of_settings if table is not None)], folder)
    path = folder / FILE_NAME
    path.write_text(_page(records, frame, settings, finished), encoding="utf-8")
    return path


def _page(records: Sequence[Record], frame: pd.DataFrame, settings: Sequence[Setting], tables: Sequence[Table]) -> str:
    return render(
        "page.html",
        settings=[_shown(setting) for setting in settings],
        looks=looks_of(settings),
        shapes=SHAPES,
        symbols=SYMBOLS,
        gib=GIB,
        paradigms=paradigms(frame),
        full_at=FULL_AT,
        tables=[wide_table(table, name) for name, table in named(tables)],
        unmatched=unmatched_figures(tables),
        has_fits=any(setting.cards for setting in settings),
        has_times=bool(timed_cards(settings)),
        failures=[_failure(record) for record in records if record["status"] == "error"],
        environments=_environments(frame),
        count=len(records),
    )


def _trust(checks: Sequence[Record], step_checks: Sequence[Record]) -> list[Table]:
    of_checks = (*validation_tables(checks), step_check_table(step_checks), calibration_table(step_checks))
    return [*(table for table in of_checks if table is not None), *measured_tables()]


def _shown(setting: Setting) -> Shown:
    cards = timed_cards([setting])
    timed = [outcome for outcome in setting.outcomes if outcome.predicted_ms]
    times = [(outcome, times_of(outcome, cards)) for outcome in timed]
    return Shown(setting, answers(setting), matrix(setting), bars(setting), scatter(setting), cards, times)


def _failure(record: Record) -> tuple[str, str]:
    """The case and the message."""
    case = record["case"]
    return " ".join(str(case.get(name, "")) for name in ("task", "backbone", "method")), str(record["message"])


def _environments(frame: pd.DataFrame) -> list[str]:
    """Where the figures come from, a line for each environment."""
    counts = Counter(
        (str(engine), *(str(environment.get(name) or "not known") for name in TORCH_FACTS))
        for engine, environment in zip(frame["engine"], frame["environment"], strict=True)
    )
    return [
        f"{engine} ({count} results): PyTorch {torch}, device {device}, commit {commit}"
        for (engine, torch, device, commit), count in sorted(counts.items())
    ]
