"""`drystep compare`: steps with options of their own, and the figures of each."""

import json
from pathlib import Path

import pytest

from drystep import simulate
from drystep.commands.cli import main
from drystep.commands.compare import split_spec
from drystep.commands.spec_options import StepOptions
from drystep.zoo.python_file import load_function
from tests.drystep.commands.in_process import in_this_process

STEP = """
import torch

def build_step(device, batch_size=4):
    model = torch.nn.Linear(1024, 1024, bias=False).to(device)
    data = torch.empty(batch_size, 256, 1024, device=device)  # a MiB each
    return lambda: model(data).sum().backward()
"""
OUTSIDE = StepOptions(batch_size=4, config_values=["a=1"], optimizer="sgd")


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "train.py").write_text(STEP)
    (tmp_path / "gpus.toml").write_text("[small]\nvisible_mib = 100\ncontext_mib = 0\n[large]\nvisible_mib = 900\n")
    return f"{tmp_path / 'train.py'}:build_step"


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drystep.commands.ask.in_child", in_this_process)


def _compare(spec: str, *arguments: str) -> int:
    cards = str(Path(spec.rpartition(":")[0]).with_name("gpus.toml"))
    return main(["compare", *arguments, "--gpu-file", cards, "--gpu", "small", "--gpu", "large"])


def test_options_of_a_text_replace_those_outside() -> None:
    spec, options = split_spec("timm:vit --method lora --rank 4 --batch-size 8 --set b=2", OUTSIDE)
    assert (spec, options.method, options.rank, options.batch_size) == ("timm:vit", "lora", 4, 8)
    assert (options.optimizer, list(options.config_values)) == ("sgd", ["a=1", "b=2"])


def test_a_default_that_is_stated_in_a_text_counts() -> None:
    assert split_spec("timm:vit --optimizer adamw", OUTSIDE)[1].optimizer == "adamw"
    assert split_spec("--no-ddp timm:vit", StepOptions(ddp=True))[1].ddp is False


def test_a_path_with_spaces_is_no_list_of_words() -> None:
    assert split_spec("my steps/train.py:build_step", OUTSIDE) == ("my steps/train.py:build_step", OUTSIDE)


def test_figures_and_changes_are_those_of_simulations(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In processes of their own."""
    assert _compare(spec, spec, f"'{spec}' --batch-size 20", "--json") == 0
    small, large = map(json.loads, capsys.readouterr().out.splitlines())
    peaks = [
        simulate(lambda device, size=size: load_function(spec)(device, batch_size=size)).peak_allocated_bytes
        for size in (4, 20)
    ]
    assert [step["uncapped"]["peak_allocated_bytes"] for step in small["steps"]] == peaks
    assert small["changes"][0]["peak_allocated_bytes"] == peaks[1] / peaks[0] - 1
    assert ([step["batch_size"] for step in large["steps"]], large["gpu"]) == ([4, 20], "large")


def test_a_step_that_does_not_fit_is_status_3(spec: str, inside: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert _compare(spec, spec, f"{spec} --batch-size 60") == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line[:3] for line in lines[:2]] == ["1: ", "2: "]
    head = next(number for number, line in enumerate(lines) if line.startswith("GPU"))
    cards = [" ".join(line.split()[:4]) for line in lines[head + 1 : head + 5]]
    assert [card.split(" fit")[0] for card in cards] == ["small 1", "2 does not", "large 1", "2"]


def test_markdown(spec: str, inside: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert _compare(spec, spec, spec, "--markdown") == 0
    out = capsys.readouterr().out
    assert "| MiB | 1 | 2 |" in out
    assert "| small | 1 | fits |" in out


def test_a_step_that_fails_is_status_1(spec: str, inside: None, tmp_path: Path, capsys) -> None:
    (tmp_path / "bad.py").write_text("def build_step(device):\n    raise RuntimeError('no data here')\n")
    assert _compare(spec, spec, f"{tmp_path / 'bad.py'}:build_step") == 1
    captured = capsys.readouterr()
    assert "no data here" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{spec}"], "compare takes 2 to 4 steps, got 1"),
        (["{spec}"] * 5, "compare takes 2 to 4 steps, got 5"),
        (["{spec}", "{spec} --nonsense 3"], "No such option: --nonsense"),
        (["{spec}", "{spec} --gpu small"], "No such option: --gpu"),
        (["{spec}", "{spec} --batch-size 'x"], "cannot be split into words: No closing quotation"),
        (["{spec}", "{spec} --batch-size x"], "Invalid value for '--batch-size': Input should be a valid integer"),
        (["{spec}", "{spec} --time-limit inf"], "the time limit must be"),
        (["{spec}", "{spec} {spec} --ddp"], "unexpected extra argument"),
        (["{spec}", "nowhere.py:build_step"], "cannot read nowhere.py: no such file"),
        (["{spec}", "{spec} --method lora"], "--method does not apply to a step of a file"),
        (["{spec}", "{spec}", "--json", "--markdown"], "exclude each other"),
    ],
)
def test_wrong_commands(spec: str, arguments: list[str], message: str, capsys) -> None:
    assert _compare(spec, *(each.format(spec=spec) for each in arguments)) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
