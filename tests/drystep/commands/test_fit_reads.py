"""What a step reads of values, as `drystep fit` answers it and says so."""

import json
import time
from pathlib import Path

import pytest

from drystep.commands import ask
from drystep.commands.cli import main
from drystep.commands.terminal import stdout
from tests.drystep.commands.in_process import in_thread

STEPS = """\
import torch

def unknown(device, rows):
    '''As many rows of four numbers that a simulation does not know: one row of four is positive.'''
    data = torch.full((rows, 4), -1.0, device=device)
    data[::4] = 1
    layer = torch.nn.Linear(4, 4).to(device)
    return lambda: layer(data).detach() * 0 + data

def build_step(device, batch_size=4):
    numbers = unknown(device, 8 * batch_size)

    def step():
        x = numbers()
        wide = x[x[:, 0] > 0].repeat(1, 65536)  # a MiB for each row
        if x.sum().item() > 9:
            del wide
        torch.tensor([2, 3], device=device).tolist()

    return step

def reads(device):
    return build_step(device)

def nothing(device):
    numbers = unknown(device, 8)
    return lambda: numbers()

def halved(x):
    return len(x[x[:, 0] > 0])

def by_line(x):
    return len(x[x[:, 0] > 0])  # its line

def in_turn(x):
    return [len(x[x[:, 0] > 0]), len(x[x[:, 1] > 0])]

def as_list(x):
    return x[:2, :3].long().tolist()

def forms(device):
    numbers = unknown(device, 32)

    def step():
        x = numbers()
        given = halved(x), by_line(x), in_turn(x), as_list(x), x.mean().item(), len(x.unique()), len(x.nonzero())
        assert given == (16, 5, [3, 8], [[1, 2, 3], [4, 5, 6]], 0.25, 7, 9), given

    return step

def forever(device):
    numbers = unknown(device, 8)

    def step():
        while numbers().sum().item() < 5:
            pass

    return step

def very_many(device):
    numbers = unknown(device, 8)
    return lambda: [numbers().flatten()[number % 32].item() for number in range(1_000_000)]

def large_list(device):
    numbers = unknown(device, 250_000)
    return lambda: numbers().tolist()

def no_side(device):
    numbers = unknown(device, 8)

    def step():
        if numbers().sum().item() != 5:
            raise ValueError("the sum must be 5")

    return step
"""
LINES = STEPS.splitlines()
MIB = 1 << 20


def _line(text: str) -> int:
    return next(number for number, line in enumerate(LINES, 1) if text in line)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the file in it; the terminal has 80 columns."""
    (tmp_path / "train.py").write_text(STEPS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stdout, "_width", 80)
    return tmp_path


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The step runs in a thread of this process, which is faster, and whose stack has no function of the tests."""
    monkeypatch.setattr(ask, "in_child", in_thread)
    return folder


def _fit(name: str, *options: str) -> int:
    return main(["fit", f"train.py:{name}", "--gpu", "p100-16gb", *options])


def test_assumed_reads_are_counted_in_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _fit("reads") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "assumed: 2 reads, see --assumptions" in lines
    assert " MiB allocated with all the rows that were assumed, and " in lines[-2]
    assert _fit("nothing") == 0
    assert "assumed" not in capsys.readouterr().out


def test_all_reads_are_listed_with_what_hangs_on_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _fit("reads", "--assumptions") == 0
    lines = capsys.readouterr().out.splitlines()
    rows, item, known = _line("a MiB for each row"), _line("> 9"), _line("[2, 3]")
    start = lines.index("assumed: rows of aten.nonzero.default, of at most 32 = 32, asked 3 times")
    assert lines[start + 1 : start + 11] == [
        f"    at train.py:{rows} (`wide = x[x[:, 0] > 0].repeat(1, 65536)  # a MiB for each",
        "      row`)",
        f"    --oracle train.py:{rows}=ANSWER (or under build_step.step)",
        "assumed: a number, as by .item() = 1, asked 3 times",
        f"    at train.py:{item} (`if x.sum().item() > 9:`)",
        f"    --oracle train.py:{item}=ANSWER (or under build_step.step)",
        "known:",
        f"    train.py:{known}: .cpu(), .tolist() or .to('cpu') of (2,) values = [2, 3], asked",
        "      3 times",
        lines[start + 10],
    ]
    # 32 MiB for all rows, beside less than a MiB of data and 8 MiB of cuBLAS's workspace; without them half a MiB.
    most_mib, least_mib = (float(lines[start + 10].split()[at]) for at in (0, 11))
    assert most_mib - least_mib == pytest.approx(32, abs=0.5)
    assert lines[start + 12] == f"    {least_mib:.2f} MiB without those of train.py:{rows} alone, which are at most 32"
    assert all(len(line) <= 80 for line in lines[start:])


def test_json_has_every_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _fit("reads", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    mask, number, known = row["assumptions"]
    line = _line("a MiB for each row")
    assert {name: mask[name] for name in ("kind", "answers", "times", "most_rows", "library", "note")} == {
        "kind": "assumed", "answers": [32], "times": 3, "most_rows": 32, "library": "", "note": "",
    }  # fmt: skip
    assert mask["names"] == [f"train.py:{line}", "build_step.step"]
    assert mask["text"] == f"assumed: {mask['said']}, at {mask['where']}"
    assert (number["kind"], number["answers"], number["most_rows"]) == ("assumed", [1], None)
    assert (known["kind"], known["answers"]) == ("known", [[2, 3]])
    assumed = row["assumed_rows"]
    assert assumed["most_bytes"] == row["uncapped"]["peak_allocated_bytes"]
    assert assumed["most_bytes"] - assumed["least_bytes"] == pytest.approx(32 * MIB, abs=MIB / 2)
    assert assumed["hinges"] == []
    assert _fit("reads", "--json", "--assumptions") == 0
    (hinge,) = json.loads(capsys.readouterr().out)["assumed_rows"]["hinges"]
    assert (hinge["names"], hinge["peak_without_bytes"]) == (mask["names"], assumed["least_bytes"])
    assert _fit("nothing", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["assumptions"], row["assumed_rows"]) == ([], None)


def test_a_probe_in_a_process_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sample has eight rows, of which two are positive."""
    assert _fit("build_step", "--probe") == 0
    line = _line("a MiB for each row")
    expected = f"--oracle train.py:{line}=25%   # measured: 2 of 8 rows of aten.nonzero.default\n"
    assert capsys.readouterr().out == expected


def test_what_a_probe_says_can_be_stated(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _fit("build_step", "--probe", "--json") == 0
    line = _line("a MiB for each row")
    expected = {"name": f"train.py:{line}", "operator": "aten.nonzero.default", "rows": 2, "most_rows": 8}
    assert json.loads(capsys.readouterr().out) == expected
    assert _fit("reads", "--json", "--oracle", f"train.py:{line}=25%") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["assumptions"][0]["kind"], row["assumptions"][0]["answers"]) == ("stated", [8])
    assert row["assumed_rows"] is None
    assert _fit("nothing", "--probe") == 0
    assert capsys.readouterr().out == "In a real run, the step asks for no rows whose number depends on values.\n"
    assert _fit("no_side", "--probe") == 1
    assert "the step raised ValueError: the sum must be 5" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--batch-size", "3"], ["--strict"], ["--assumptions"], ["--oracle", "rows=3"], ["--ranks", "2"]]
)
def test_a_probe_does_not_ignore_options(here: Path, options: list[str], capsys) -> None:
    assert _fit("build_step", "--probe", *options) == 2
    said = f"error: --probe only runs the step on the CPU, with batch_size=1: leave {options[0]} out of this run\n"
    assert capsys.readouterr().err == said


def test_statements_in_all_forms(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The step itself fails where an answer is another one."""
    statements = [
        "halved=50%", f"train.py:{_line('# its line')}=5", "in_turn=3,25%", "as_list=[[1,2,3],[4,5,6]]", "item=0.25",
        "unique=7", "rows=9",
    ]  # fmt: skip
    options = [part for statement in statements for part in ("--oracle", statement)]
    assert _fit("forms", *options) == 0, capsys.readouterr().err
    assert "assumed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("halved=150%", "a share of rows must be from 0 (0 %) to 1 (100 %), not 150 %"),
        ("halved=[]", "oracle halved states no answer: give at least one"),
        ("halved=[1", "oracle 'halved=[1' is not NAME=NUMBER, such as rows=512 or item=0; a share of the rows is"),
        ("halved=1,", "oracle 'halved=1,' is not NAME=NUMBER"),
        ("halved=[null]", "oracle halved must be a number, not None"),
        ("rows=50%", "oracle rows must be one number, not 50%"),
    ],
)
def test_a_bad_statement_is_one_sentence(here: Path, statement: str, message: str, capsys) -> None:
    assert _fit("forms", "--oracle", statement) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("in_turn=3", "the step raised AssertionError"),
        ("in_turn=[3]", "oracle 'in_turn' states 1 answer, and the step asks for one more"),
        ("as_list=[[1,2]]", "oracle 'as_list' states 2 values for a tensor of 6"),
        ("as_list=50%", "oracle 'as_list' states 50% of the rows for what is read as a number: state a number"),
        ("halved=2.5", "oracle halved must be a whole number of rows from 0"),
    ],
)
def test_a_statement_that_does_not_suit_the_step(here: Path, statement: str, message: str, capsys) -> None:
    others = ["in_turn=3,8", "as_list=[1,2,3,4,5,6]", "halved=16"]
    kept = [other for other in others if other.partition("=")[0] != statement.partition("=")[0]]
    assert _fit("forms", *(part for text in (statement, *kept) for part in ("--oracle", text))) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        (
            "forever",
            "< 5:",
            ["one line asks for values 2,001 times in one step: a number, as by .item(), assumed to be"],
        ),
        (
            "very_many",
            "1_000_000",
            ["one line asks for values 2,001 times in one step: a number, as by .item(), assumed"],
        ),
        (
            "no_side",
            "!= 5",
            ["the step raised ValueError: the sum must be 5; before that, a number, as by .item() was"],
        ),
    ],
)
def test_a_step_that_no_answer_suits(folder: Path, name: str, line: str, said: list[str], capsys) -> None:
    start = time.monotonic()
    assert _fit(name) == 1
    assert time.monotonic() - start < 60
    message = " ".join(capsys.readouterr().err.split())
    number = _line(line)
    assert message.count("error: ") == 1
    assert f"train.py:{number + (name == 'no_side')} (`" in message
    assert said[0] in message
    tried = f"1 other answer was tried and failed too (a number, as by .item() at train.py:{number} = 0)"
    assert message.endswith(tried)


def test_a_million_values_in_one_list_are_read_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = time.monotonic()
    assert _fit("large_list") == 0
    assert time.monotonic() - start < 60
    assert "assumed: 1 read, see --assumptions" in capsys.readouterr().out
