"""`drystep fit --markdown` and `--html FILE`: the figures are those of --json."""

import json
from pathlib import Path

import pytest

from drystep.commands.cli import main
from tests.drystep.commands.in_process import in_this_process

STEP = """
import torch

def build_step(device, batch_size=4):
    model = torch.nn.Linear(1024, 1024, bias=False).to(device)
    data = torch.empty(batch_size, 256, 1024, device=device)  # a MiB each
    return lambda: model(data).sum().backward()
"""
MIB = 1 << 20


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("drystep.commands.ask.in_child", in_this_process)
    (tmp_path / "train.py").write_text(STEP)
    (tmp_path / "gpus.toml").write_text('[small]\nlabel = "<b>S</b>"\nvisible_mib = 100\ncontext_mib = 0\n')
    return f"{tmp_path / 'train.py'}:build_step"


def _fit(spec: str, *options: str) -> int:
    cards = str(Path(spec.rpartition(":")[0]).with_name("gpus.toml"))
    return main(["fit", spec, "--gpu-file", cards, "--gpu", "small", "--quick", *options])


def test_figures_are_those_of_json(spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "new" / "answer.html"
    assert _fit(spec, "--json", "--html", str(page)) == 0
    row = json.loads(capsys.readouterr().out)
    assert _fit(spec, "--markdown") == 0
    text = capsys.readouterr().out
    peak = row["uncapped"]
    for shown in (
        f"{peak['peak_allocated_bytes'] / MIB:,.0f} MiB allocated",
        f"{peak['peak_reserved_bytes'] / MIB:,.0f} MiB reserved",
        f"{row['headroom_bytes'] / (1024 * MIB):.2f}",
        f"{peak['at_peak']['parameters'] / MIB:,.0f}",
        "build_step, fp32, batch 4",
    ):
        assert shown in text
        assert shown in page.read_text()
    assert "&lt;b&gt;S&lt;/b&gt;" in page.read_text()
    assert "| \\<b\\>S\\</b\\> | fits |" in text


def test_both_forms_at_once_are_a_wrong_command(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _fit(spec, "--json", "--markdown") == 2
    captured = capsys.readouterr()
    assert captured.err == "error: --json and --markdown exclude each other: leave one out\n"
    assert captured.out == ""


@pytest.mark.parametrize(("name", "message"), [("train.py/page.html", "cannot write --html"), (".", "is a folder")])
def test_a_wrong_place_is_told_beforehand(spec: str, name: str, message: str, tmp_path: Path, capsys) -> None:
    assert _fit(spec, "--html", str(tmp_path / name)) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_a_page_that_cannot_be_written_costs_no_figure(spec: str, tmp_path: Path, capsys, monkeypatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("drystep.commands.answer.page.write_whole", full)
    page = tmp_path / "page.html"
    assert _fit(spec, "--json", "--html", str(page)) == 1
    captured = capsys.readouterr()
    assert captured.err == f"error: cannot write --html {page}: No space left on device\n"
    assert json.loads(captured.out)["gpu"] == "small"
