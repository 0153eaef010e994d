"""What `report --show` and `tables` print: as wide as the terminal, and plain where a file wrote it."""

import io
import re
from pathlib import Path
from typing import Any

import pytest

from bench.commands.cli import main
from bench.commands.texts.report import print_report
from drystep.commands.terminal import PlainConsole
from reports.document import build_tables
from reports.page.outcomes import settings_in
from reports.records import frame_of
from reports.tables import Table
from tests.reports.conftest import record, records  # noqa: F401  # fixtures

SAMPLE = Path(__file__).parents[4] / "docs" / "sample-report" / "results.jsonl"
WIDE = Table(
    "Table 1. Wide",
    "Memory is **simulated**; *paper*: **published**.",
    [
        ("Method", ["full", "e3va"]),
        ("params M", ["195.00", "1.79"]),
        ("paper", ["198.58", "1.79"]),
        ("diff", ["-3.58", "+0.00"]),
        ("trains", ["yes", "OOM"]),
    ],
)


def _printed(lines: list[dict[str, Any]], tables: list[Table], width: int, **options: Any) -> str:
    text = io.StringIO()
    print_report(settings_in(frame_of(lines)), tables, PlainConsole(file=text, width=width, **options))
    return text.getvalue()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_nothing_is_wider_than_the_terminal_or_cut(records, width: int) -> None:  # noqa: F811
    text = _printed(records, build_tables(frame_of(records)), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for number in (1, 2, 3, 4):
        assert f"Table {number}. " in text


def test_the_answer_comes_first(records) -> None:  # noqa: F811
    text = _printed(records, [], 80)
    assert text.splitlines()[0].startswith(settings_in(frame_of(records))[0].title[:40])
    assert "fit the smallest card, gtx-1080ti-11gb" in " ".join(text.split())
    assert "✕" in text and "✓" in text


def test_columns_that_begin_a_group_have_room_first() -> None:
    # Method 6, params M 6, trains 6 and two gaps of 2 are 22 columns; 6 and a gap more have room for the paper's.
    expected = {
        22: (["full", "195.00", "yes"], "2 more columns are in the report"),
        30: (["full", "195.00", "198.58", "yes"], "1 more column is in the report"),
        38: (["full", "195.00", "198.58", "-3.58", "yes"], "Figures are simulated, published"),
    }
    for width, (row, last) in expected.items():
        text = _printed([], [WIDE], width)
        assert row in [line.split() for line in text.splitlines()]
        assert " ".join(text.split()).endswith(last)


def test_columns_without_a_figure_have_room_last() -> None:
    empty = Table("Table 1. Wide", "", [*WIDE.columns[:1], ("none", ["–", "–"]), *WIDE.columns[1:]])
    lines = [line.split() for line in _printed([], [empty], 22).splitlines()]
    assert ["full", "195.00", "yes"] in lines


def test_how_figures_were_obtained_is_said() -> None:
    assert "Figures are simulated, published" in _printed([], [WIDE], 200)


def test_verdicts_have_colours_on_a_terminal() -> None:
    text = _printed([], [WIDE], 80, force_terminal=True, color_system="standard")
    assert re.search(r"\x1b\[31m *OOM\x1b", text) and re.search(r"\x1b\[32m *yes\x1b", text)
    assert "\x1b" not in _printed([], [WIDE], 80)


def test_text_of_others_does_not_steer_the_terminal(record) -> None:  # noqa: F811
    line = record("coco", "swin_large", "full", reserved_mib=9_000)
    line["case"]["backbone"] = line["method"]["label"] = line["case"]["method"] = "a\x1b[2Jb\n[red]c"
    line["fits"] = {"card\x1b[31m\nx": {"verdict": "odd\x1b]0;t\x07"}}
    text = _printed([line], build_tables(frame_of([line])), 80)
    assert "\x1b" not in text and "\x07" not in text
    assert "[red]c" in text


def test_the_commands_print_it(tmp_path: Path, capsys) -> None:
    assert main(["report", str(SAMPLE), "--out", str(tmp_path)]) == 0
    assert "Table 2." not in capsys.readouterr().out
    assert main(["report", str(SAMPLE), "--out", str(tmp_path), "--show"]) == 0
    shown = capsys.readouterr().out
    assert "Table 2. Swin-B on COCO" in shown and "|" not in shown
