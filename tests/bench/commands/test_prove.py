"""`python -m bench prove`: its two ways in have the same options, and what is wrong is one sentence."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer

from bench.commands import prove
from bench.commands.cli import app
from bench.commands.cli import main as main_of_all
from bench.proof import run
from bench.proof.run import Outcome
from bench.results.provenance import CHECKOUT
from drystep.errors import OutputError
from tests.bench.proof.missing_packages import MISSING

BAD = [
    (["--minutes", "0"], "--minutes must be more than 0 and at most 1440, got '0'"),
    (["--minutes", "nan"], "--minutes must be more than 0 and at most 1440, got 'nan'"),
    (["--minutes", "inf"], "--minutes must be more than 0 and at most 1440, got 'inf'"),
    (["--minutes", "-1"], "--minutes must be more than 0 and at most 1440, got '-1'"),
    (["--minutes", "1441"], "--minutes must be more than 0 and at most 1440, got '1441'"),
    (["--minutes", "x"], "--minutes must be a number of minutes, got 'x'"),
    (["--minutes", "9" * 50], f"--minutes must be more than 0 and at most 1440, got '{'9' * 39}..."),
    (["--out", "FILE"], "--out FILE is a file: name a folder"),
    (["--out", "FILE/below"], "cannot write to the folder FILE/below: Not a directory"),
    (["--out", "/proc/nowhere"], "cannot write to the folder /proc/nowhere: No such file or directory"),
    ([], "no CUDA device: prove measures the GPU of the machine that it runs on"),
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    Path("FILE").write_text("")


@pytest.mark.parametrize("main", [prove.main, lambda arguments: main_of_all(["prove", *arguments])])
@pytest.mark.parametrize(("arguments", "said"), BAD, ids=lambda value: " ".join(value)[:20] if value else "none")
def test_what_is_wrong_is_one_sentence(main, arguments: list[str], said: str, capsys) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err == f"error: {said}\n"
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [["--nosuch"], ["--minutes"], ["more"], ["--min", "3"]])
def test_a_wrong_option_is_one_sentence(arguments: list[str], capsys) -> None:
    assert prove.main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_both_ways_in_have_the_same_options() -> None:
    command = typer.main.get_command(app).commands["prove"]
    own = {option for action in prove._parser()._actions for option in action.option_strings} - {"-h", "--help"}
    assert {text for parameter in command.params for text in parameter.opts} == own
    defaults = {name: parameter.default for name, parameter in inspect.signature(prove.prove).parameters.items()}
    assert vars(prove._parser().parse_args([])) == defaults


def _run(monkeypatch: pytest.MonkeyPatch, outcome: object) -> list:
    asked = []

    def fake(root, clock, say):
        asked.append((root, clock.left_s))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(run, "prove", fake)
    return asked


def test_how_it_ended(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    asked = _run(monkeypatch, Outcome(Path("new/card"), ["a", "b"], [], ["c"], not_simulated=3))
    assert prove.main(["--minutes", "2.5", "--out", "new"]) == 0
    assert capsys.readouterr().out == (
        "2 items are done, 0 failed, 1 were not reached, 3 cases are not simulated yet; the results are in new/card\n"
    )
    ((root, left_s),) = asked
    assert root == Path("new")
    assert 100 < left_s <= 150


def test_failures_have_their_exit_status(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    _run(monkeypatch, Outcome(Path("card"), [], ["a"]))
    assert prove.main(["--out", "new"]) == 1
    _run(monkeypatch, OutputError("cannot write to new: No space left on device"))
    assert prove.main(["--out", "new"]) == 1
    assert capsys.readouterr().err.endswith("error: cannot write to new: No space left on device\n")


def test_help_needs_nothing(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        prove.main(["--help"])
    assert ended.value.code == 0
    assert "--minutes MINUTES" in capsys.readouterr().out


@pytest.mark.parametrize(("minutes", "said"), [("0", "--minutes must be"), ("9", "no CUDA device")])
def test_the_program_asks_for_nothing_else(tmp_path: Path, minutes: str, said: str) -> None:
    """`python -m bench prove`, where an import of what the other commands need fails."""
    if minutes == "9" and torch.cuda.device_count():
        pytest.skip("there is a CUDA device")
    code = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({MISSING!r}))\n"
        f"sys.argv = ['bench', 'prove', '--minutes', {minutes!r}, '--out', {str(tmp_path)!r}]\n"
        "runpy.run_module('bench', run_name='__main__')\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert finished.returncode == 2, finished.stderr
    assert finished.stderr.startswith(f"error: {said}")
    assert finished.stderr.count("\n") == 1
