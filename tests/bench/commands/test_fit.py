"""`python -m bench fit --module FILE.py:NAME`, as a user types it."""

import json
from pathlib import Path

import pytest

from bench.commands.cli import main

STEPS = """
import torch


def build_step(device, batch_size=4):
    model = torch.nn.Linear(1024, 1024, bias=False).to(device)
    data = torch.empty(batch_size, 256 * 1024, device=device)  # a MiB each
    print("built")

    def step():
        model(data.view(-1, 1024)).sum().backward()
        model.zero_grad()

    return step


def no_batch(device):
    return build_step(device, 1)


def needs_values(device):
    model = torch.nn.Linear(4, 4).to(device)
    return lambda: model(torch.empty(2, 4, device=device)).sum().item()


def keeps(device):
    model, kept = torch.nn.Linear(4, 4).to(device), []
    return lambda: kept.append(model(torch.empty(2, 4, device=device)))
"""
MIB = 1 << 20
CARD = "[small]\nvisible_mib = 240\ncontext_mib = 40\n[large]\nvisible_mib = 640\ncontext_mib = 40\n"


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "train.py").write_text(STEPS)
    (tmp_path / "gpus.toml").write_text(CARD)
    return str(tmp_path / "train.py")


def _fit(target: str, *options: str) -> int:
    cards = str(Path(target.rpartition(":")[0]).with_name("gpus.toml"))
    return main(["fit", "--module", target, "--gpu-file", cards, "--gpu", "small", "--gpu", "large", *options])


def test_json_lines_are_all_there_is_on_stdout(file: str, capsys) -> None:
    assert _fit(f"{file}:build_step", "--json") == 0
    small, large = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (small["gpu"], large["gpu"]) == ("small", "large")
    assert (small["batch_size"], small["verdict"], small["alloc_retries"]) == (4, "fits", 0)
    # The weight, and data and output of 4 x 1 MiB each; the gradient comes when the output is gone.
    assert small["uncapped"]["at_peak"]["parameters"] == 4 * MIB
    assert small["uncapped"]["at_peak"]["inputs"] == 4 * MIB
    assert small["headroom_bytes"] == 200 * MIB - small["peak_reserved_bytes"]
    # An image takes 2 MiB at least (data, output) and 3 at most (the output's gradient); weight, its gradient and
    # cuBLAS's workspaces take less than 40.
    assert (200 - 40) // 3 <= small["largest_batch"] < 200 // 2
    assert (600 - 40) // 3 <= large["largest_batch"] < 600 // 2


def test_the_largest_batch_is_the_largest(file: str, capsys) -> None:
    _fit(f"{file}:build_step", "--json")
    largest = json.loads(capsys.readouterr().out.splitlines()[0])["largest_batch"]
    verdicts = []
    for size in (largest, largest + 1):
        assert _fit(f"{file}:build_step", "--json", "--batch-size", str(size)) == 0
        verdicts.append(json.loads(capsys.readouterr().out.splitlines()[0])["verdict"])
    assert verdicts[0] != "oom"
    assert verdicts[1] == "oom"


def test_a_table_without_json(file: str, capsys) -> None:
    assert _fit(f"{file}:no_batch") == 0
    title, head, small, large, peak = capsys.readouterr().out.splitlines()
    assert title == f"{file}:no_batch, torch-2.11, fp32; simulated"
    assert head.split()[0] == "GPU"
    assert small.split()[:2] == ["small", "fits"]
    assert small.split()[-1] == large.split()[-1] == "–"
    assert "parameters 4" in peak


def test_oracles_and_warnings(file: str, capsys) -> None:
    assert _fit(f"{file}:needs_values", "--oracle", "item=0", "--oracle", "nms=3", "--json") == 0
    assert "oracle 'nms' was never asked" in capsys.readouterr().err
    assert _fit(f"{file}:keeps", "--json") == 0
    captured = capsys.readouterr()
    # An output, and through its graph the input: 2 x 4 floats each.
    assert "warning: the step never frees 64 bytes" in captured.err
    assert json.loads(captured.out.splitlines()[0])["warnings"][0].startswith("the step never frees 64 bytes")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "needs_values",
            [],
            "train.py:23 (`return lambda: model(torch.empty(2, 4, device=device)).sum().item()`)",
        ),
        ("nowhere", [], "choose from build_step, no_batch, needs_values, keeps"),
        ("no_batch", ["--batch-size", "3"], "takes no batch_size: leave --batch-size out, or give it that keyword"),
        ("build_step", ["--batch-size", "0"], "batch size must be a whole number of at least 1, not 0"),
        ("build_step", ["--oracle", "rows"], "oracle 'rows' is not NAME=NUMBER, such as rows=512, item=0 or nms=1000"),
        ("build_step", ["--oracle", "rows=many"], "oracle 'rows=many' is not NAME=NUMBER"),
        ("build_step", ["--oracle", "rows=-1"], "oracle rows must be a whole number of rows from 0 on, not -1"),
        ("build_step", ["--precision", "fp3"], "unknown precision 'fp3'"),
        ("build_step", ["--profile", "x"], "unknown profile 'x'"),
    ],
)
def test_one_clear_line_and_status_2(file: str, name: str, options: list[str], message: str, capsys) -> None:
    assert _fit(f"{file}:{name}", *options) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line != "built"]
    (line,) = errors
    assert line.startswith("error: ")
    assert message in line
