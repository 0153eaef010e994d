import json
from pathlib import Path

import pytest

from drystep.commands.cli import main
from drystep.validation.field_reports.check import check_report, class_named, summarise_reports
from drystep.validation.field_reports.rows import read_reports
from tests.drystep.validation.field_reports.test_rows import table

MIB = 1 << 20
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


@pytest.fixture
def rebuilds(tmp_path: Path) -> Path:
    path = tmp_path / "rebuilds.py"
    path.write_text(STEPS)
    return path


def test_a_figure_beside_what_was_published(tmp_path: Path, rebuilds: Path) -> None:
    (report,) = read_reports(table(tmp_path, args="(64, 'x')", ddp="no", measured="200", unit="MiB"))
    check = check_report(report, rebuilds)
    # Before 2.0 the gradient stays; beside it and the parameter is the product, or the gradient that is added: 3 x 64.
    assert check.predicted_bytes == pytest.approx(3 * 64 * MIB, rel=1e-3)
    assert check.error_percent == pytest.approx(-4, abs=0.1)
    assert check.within_rounding is False and check.right is None
    assert check.rules == "PyTorch 1.12" and check.family == "make"


def test_what_stays_after_a_step(tmp_path: Path, rebuilds: Path) -> None:
    changed = {"quantity": "allocated_after_step", "args": "(64, 'x')", "ddp": "no", "measured": "128", "unit": "MiB"}
    (report,) = read_reports(table(tmp_path, **changed))
    assert check_report(report, rebuilds).within_rounding  # parameter and gradient


@pytest.mark.parametrize(
    ("mebibytes", "measured", "right"), [(64, "fits", True), (64, "oom", False), (40_000, "oom", True)]
)
def test_verdicts(tmp_path: Path, rebuilds: Path, mebibytes: int, measured: str, right: bool) -> None:
    changed = {"quantity": "verdict", "args": f"({mebibytes}, 'x')", "measured": measured, "unit": "-"}
    (report,) = read_reports(table(tmp_path, **changed))
    check = check_report(report, rebuilds)
    assert check.right is right and check.error_percent is None
    (summary,) = summarise_reports([check])
    assert (summary.verdicts_right, summary.verdicts) == (int(right), 1)


def test_names_of_cards_as_people_write_them() -> None:
    names = {"V100-32GB": "v100-32gb", "RTX 3090": "rtx-3090-24gb", "not stated": None, "": None}
    assert {name: getattr(class_named(name), "name", None) for name in names} == names


def test_the_command(tmp_path: Path, rebuilds: Path, capsys) -> None:
    reports = table(tmp_path, args="(64, 'x')", ddp="no", measured="192", unit="MiB")
    command = ["validate", "--reports", str(reports), "--rebuilds", str(rebuilds)]
    assert main(command) == 0
    assert "make" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    row, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert row["report"]["within_rounding"] is True and summary["report_summary"]["rows"] == 1


def test_steps_that_cannot_be_rebuilt_are_named(tmp_path: Path, rebuilds: Path, capsys) -> None:
    command = ["validate", "--reports", str(table(tmp_path, rebuild="fails")), "--rebuilds", str(rebuilds)]
    assert main(command) == 1
    assert "a is not simulated: fails(2, 'x') raised KeyError" in capsys.readouterr().err
    assert main(["validate", "--reports", str(table(tmp_path))]) == 2
    assert "--reports needs --rebuilds FILE.py" in capsys.readouterr().err
