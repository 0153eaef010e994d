"""`drystep validate --reports FILE.csv --rebuilds FILE.py` on small steps, and on files that are wrong."""

import json
from pathlib import Path

import pytest

from drystep.commands.cli import main
from drystep.validation.check_files import REPORT_CHECKS, read_checks_file
from tests.drystep.validation.field_reports.test_rows import ROW, table

STEPS = """
import torch

def make(mebibytes, name):
    def build_step(device):
        weight = torch.nn.Parameter(torch.empty(mebibytes << 18, device=device))
        optimizer = torch.optim.SGD([weight], 0.1)
        def step():
            optimizer.zero_grad()
            (weight * 2).sum().backward()
            optimizer.step()
        return step
    return build_step

def fails(*_):
    raise KeyError("no such model")
"""
OURS = {"args": "(64, 'x')", "ddp": "no", "measured": "192", "unit": "MiB"}


@pytest.fixture
def rebuilds(tmp_path: Path) -> Path:
    path = tmp_path / "rebuilds.py"
    path.write_text(STEPS)
    return path


def _command(reports: Path, rebuilds: Path, *options: str) -> list[str]:
    return ["validate", "--reports", str(reports), "--rebuilds", str(rebuilds), *options]


def _several(folder: Path, *changes: dict[str, str]) -> Path:
    rows = [ROW | OURS | changed for changed in changes]
    lines = [",".join(f'"{value}"' for value in row.values()) for row in rows]
    path = folder / "several.csv"
    path.write_text("\n".join([",".join(ROW), *lines]) + "\n")
    return path


def test_a_table_and_its_summaries(tmp_path: Path, rebuilds: Path, capsys) -> None:
    reports = _several(
        tmp_path,
        {"id": "right"},
        {"id": "trial", "cudnn_benchmark": "yes", "measured": "400"},
        {"id": "judged", "quantity": "verdict", "measured": "fits", "unit": "-"},
    )
    assert main(_command(reports, rebuilds)) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "within rounding" in rows["right"] and "PyTorch 1.12, on v100-32gb, fp32" in rows["right"]
    assert "192 to 192" in rows["trial"] and "not in interval" in rows["trial"] and "%" not in rows["trial"][:60]
    assert "cudnn.benchmark" in rows["trial"]
    assert rows["judged"].split()[1:5] == ["verdict", "fits", "fits", "–"] and " right " in rows["judged"]
    assert rows["make"].split() == ["make", "3", "0.00", "%", "0.00", "%", "1/1", "0/1", "1/1", "0"]
    # 64 MiB of parameters, four times, of 192 MiB
    assert rows["accelerate"].split()[-7:] == ["1", "33.33", "%", "0.00", "%", "1/1", "1/1"]


def test_lines_of_json(tmp_path: Path, rebuilds: Path, capsys) -> None:
    assert main(_command(table(tmp_path, **OURS), rebuilds, "--json")) == 0
    row, summary, rival = map(json.loads, capsys.readouterr().out.splitlines())
    assert row["report"]["within_rounding"] is True and row["report"]["rules"] == "PyTorch 1.12, on v100-32gb"
    assert row["report"]["accelerate_error_percent"] == pytest.approx(100 / 3, abs=0.1)
    assert summary["report_summary"]["rows"] == 1
    assert rival["rival_summary"]["our_median_percent"] == pytest.approx(0, abs=0.1)


def test_rows_that_are_picked_by_name(tmp_path: Path, rebuilds: Path, capsys) -> None:
    reports = _several(tmp_path, {"id": "first"}, {"id": "second"})
    assert main(_command(reports, rebuilds, "--json", "--match", "sec")) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["report"]["id"] == "second"
    assert main(_command(reports, rebuilds, "--match", "third")) == 2
    assert capsys.readouterr().err.strip() == "error: no row's name contains 'third'"


def test_checks_are_stored(tmp_path: Path, rebuilds: Path, capsys) -> None:
    out = tmp_path / "checks.jsonl"
    assert main(_command(table(tmp_path, **OURS), rebuilds, "--out", str(out))) == 0
    (check,), problems = read_checks_file(out, REPORT_CHECKS)
    assert problems == [] and check["id"] == "a" and check["judged"] is None
    assert main(_command(table(tmp_path, **OURS), rebuilds, "--out", str(rebuilds))) == 2  # not a file of checks
    assert rebuilds.read_text() == STEPS


def test_memtracker_needs_a_model_and_an_optimizer(tmp_path: Path, rebuilds: Path, capsys) -> None:
    assert main(_command(table(tmp_path, **OURS), rebuilds, "--json", "--memtracker")) == 0
    check = json.loads(capsys.readouterr().out.splitlines()[0])["report"]
    assert check["memtracker_bytes"] is None and check["memtracker_message"].startswith("AttributeError: ")


def test_a_step_that_cannot_be_rebuilt_costs_no_other(tmp_path: Path, rebuilds: Path, capsys) -> None:
    assert main(_command(_several(tmp_path, {"id": "bad", "rebuild": "fails"}, {"id": "good"}), rebuilds)) == 1
    captured = capsys.readouterr()
    assert "bad is not simulated: fails(64, 'x') raised KeyError: 'no such model'" in captured.err
    assert "good" in captured.out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.py", None, "cannot read the rebuilt steps from FILE: there is no such file"),
        ("steps.txt", STEPS, "FILE is not a Python file: its name must end in .py"),
        ("broken.py", "def make(:", "cannot import FILE: SyntaxError: invalid syntax"),
        ("binary.py", "\x00\x01", "cannot import FILE: SyntaxError: source code string cannot contain null bytes"),
        ("other.py", "def another(): ...", "unknown function in FILE 'make': choose from another"),
        ("exits.py", "raise SystemExit('bye')", "cannot import FILE: SystemExit: bye"),
        ("value.py", "make = 3", "FILE:make is not a function but int"),
    ],
)
def test_files_that_rebuild_nothing(tmp_path: Path, capsys, name: str, content: str | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    assert main(_command(table(tmp_path, **OURS), path)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {message.replace('FILE', str(path))}")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"torch": "3.0"}, "several.csv:2: unknown version of PyTorch '3.0': choose from 1.7, 1.8"),
        ({"args": "(1"}, "several.csv:2: args must be a Python tuple such as ('resnet50', 32), got '(1'"),
        ({"measured": "1." + "0" * 400}, "several.csv:2: measured must be a number such as 11818 or 4.23"),
    ],
)
def test_rows_that_are_wrong(tmp_path: Path, rebuilds: Path, capsys, changed: dict[str, str], message: str) -> None:
    assert main(_command(_several(tmp_path, changed), rebuilds)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_table_that_is_missing(tmp_path: Path, rebuilds: Path, capsys) -> None:
    assert main(_command(tmp_path / "none.csv", rebuilds)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: cannot read reports from {tmp_path / 'none.csv'}: No such file or directory"
