"""What is printed is text: neither markup, nor a way to steer the terminal."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from drystep.commands import terminal
from drystep.commands.cli import main
from drystep.commands.terminal import PlainConsole, plain_table
from drystep.visible_text import one_line, visible

MARKUP = ("[bold]z[/nope]", "[/x]", "[red]red[/red]", ":smile:", "[link=http://example.org]x[/link]")
STEERING = {
    "clear \x1b[2J": r"clear \x1b[2J",
    "title \x1b]0;x\x07": r"title \x1b]0;x\x07",
    "\x9b31m": r"\x9b31m",
    "back\x08\x7f\x00": r"back\x08\x7f\x00",
    "over\rwritten": r"over\rwritten",
    "turned \u202egnp.exe\u2066": r"turned \u202egnp.exe\u2066",
    "half \ud800": r"half \ud800",
    "ends \u2028 here": r"ends \u2028 here",
    "hidden \ufeff\u200b\U000e0041": r"hidden \ufeff\u200b\U000e0041",
    "\u663e\u5361 \U0001f469\u200d\U0001f4bb é": "\u663e\u5361 \U0001f469\u200d\U0001f4bb é",
}


def _printed(what: object) -> str:
    file = io.StringIO()
    PlainConsole(file=file, width=200, force_terminal=True).print(what)
    return file.getvalue()


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_text(text: str) -> None:
    assert _printed(text) == f"{text}\n"


@pytest.mark.parametrize(("text", "shown"), STEERING.items())
def test_what_would_steer_the_terminal_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert _printed(text) == f"{shown}\n"


def test_lines_stay_in_messages_and_go_in_cells() -> None:
    assert visible("a\nb") == "a\nb"
    assert one_line(" a\r\n  b\u2028c\td ") == "a b c d"


@pytest.mark.parametrize("console", [Console, PlainConsole])
@pytest.mark.parametrize("text", [*MARKUP, *STEERING, "two\nlines"])
def test_cells_and_headings(console: type[Console], text: str) -> None:
    """Whoever prints the table."""
    table = plain_table([text, "b"])
    table.add_row(text, "2")
    file = io.StringIO()
    console(file=file, width=200).print(table)
    heading, row = (line.split("  ")[0].rstrip() for line in file.getvalue().splitlines())
    assert heading == row == one_line(text)


@pytest.mark.parametrize("text", [*MARKUP, *STEERING])
def test_a_spinner_beside_text(text: str) -> None:
    file = io.StringIO()
    console = PlainConsole(file=file, width=200, force_terminal=True)
    with console.status(text) as waiting:
        waiting.update("other")
        waiting.update(text)
    assert one_line(text) in file.getvalue()
    assert "\x1b]" not in file.getvalue() and "\x1b[2J" not in file.getvalue()


def test_messages(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("[bold]z[/nope] \x1b[2J")
    assert capsys.readouterr().err == "[bold]z[/nope] \\x1b[2J\n"


def test_ordinary_tables_are_tables() -> None:
    table = plain_table(["a", "b", "c"], left=2)
    assert isinstance(table, Table)
    assert [column.justify for column in table.columns] == ["left", "left", "right"]


@pytest.mark.parametrize("label", ["[bold]z[/nope]", "\\u001b[2J\\u202e"])
def test_labels_of_a_file_of_cards(label: str, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cards.toml"
    path.write_text(f'["[/x]"]\nlabel = "{label}"\nvisible_mib = 9000\n')
    assert main(["gpus", "--gpu-file", str(path)]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[/x]")]
    assert label.replace("\\u001b", "\\x1b") in row
