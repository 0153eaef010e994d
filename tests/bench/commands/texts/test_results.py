"""Results as tables for the terminal, whatever they hold and lack."""

import io
from typing import Any

import pytest

from bench import Case, Result
from bench.commands.texts.results import results_table
from drystep.commands.terminal import PlainConsole

CASE = Case(task="voc", method="full", engine="simulate")
MIB = 1 << 20


def _row(**fields: Any) -> str:
    file = io.StringIO()
    PlainConsole(file=file, width=400).print(results_table([Result(case=CASE, status="ok", environment={}, **fields)]))
    (row,) = file.getvalue().splitlines()[1:]
    return row.removeprefix(CASE.title).split()


def test_figures() -> None:
    memory = {"peak_allocated_bytes": 2048 * MIB, "peak_reserved_bytes": 3000 * MIB}
    time = {"step_ms": {"median": 12.34, "samples": []}}
    fits = {"[/x]\x1b": {"verdict": "fits_with_retries"}}
    row = _row(params={"trainable_backbone": 1234}, memory=memory, time=time, fits=fits)
    assert row == ["1,234", "2,048", "3,000", "12.3", "fits", "with", "retries"]


def test_a_time_of_a_busy_machine() -> None:
    contention = {"contended_rounds": 3, "others_percent": 48.0}
    row = _row(time={"step_ms": {"median": 12.34, "samples": []}, "contention": contention})
    assert row[-2:] == ["12.3", "(busy)"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"params": {}, "memory": {}, "time": {}},
        {"time": {"step_ms": {"median": None, "samples": []}}},
        {"time": {"step_ms": None}, "params": {"trainable_backbone": None}},
    ],
)
def test_what_is_missing(fields: dict[str, Any]) -> None:
    assert _row(**fields) == ["–"] * 4


@pytest.mark.parametrize("name", ["[bold]z[/nope]", "[/x]", "\x1b[2J", "a\nb"])
def test_names_of_cards_and_verdicts(name: str) -> None:
    file = io.StringIO()
    result = Result(case=CASE, status="ok", environment={}, fits={name: {"verdict": name}})
    PlainConsole(file=file, width=400).print(results_table([result]))
    heading, row = file.getvalue().splitlines()
    shown = name.replace("\x1b", "\\x1b").replace("\n", " ")
    assert heading.rstrip().endswith(shown) and row.rstrip().endswith(shown)
