"""`drystep fit FILE.py:NAME`, as a user types it: the file runs in a process of its own."""

import json
from pathlib import Path

import pytest

from drystep.commands.cli import main
from drystep.commands.terminal import stdout
from drystep.cuda.rules import Rules
from drystep.fit.step import fit_step
from drystep.gpus.classes import select_gpus
from drystep.zoo.python_file import load_function

STEPS = """
import os
import torch
from helper_of_a_user import WIDTH

def build_step(device, batch_size=4):
    model = torch.nn.Linear(WIDTH, 1024, bias=False).to(device)
    data = torch.empty(batch_size, 256 * 1024, device=device)  # a MiB each
    print("built")

    def step():
        model(data.view(-1, 1024)).sum().backward()
        model.zero_grad()

    return step

def convolves(device):
    layer = torch.nn.Conv2d(64, 8, 1, bias=False).to(device)
    images = torch.empty(4, 64, 256, 256, device=device)  # 64 MiB
    return lambda: layer(images)

def leaves(device):
    os._exit(0)

def exits(device):
    raise SystemExit(0)
"""
TRAINS = """
import torch

def build_step(device, batch_size=4):
    model = torch.nn.Linear(1024, 1024, bias=False).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    data = torch.empty(batch_size, 256 * 1024, device=device)

    def step():
        optimizer.zero_grad()
        model(data.view(-1, 1024)).sum().backward()
        optimizer.step()

    return step
"""
MIB = 1 << 20
PEAKS = 'fp32_tflops = 14.0\nbandwidth_gbs = 900\noperators = "Tesla V100-PCIE-32GB"\n'
CARD = "[small]\nvisible_mib = 240\ncontext_mib = 40\n[large]\nvisible_mib = 640\ncontext_mib = 40\n"
CARDS = f'[fast]\nvisible_mib = 640\n{PEAKS}link = "pcie4"\nlink_gbs = 31.5\n[unlinked]\nvisible_mib = 640\n{PEAKS}'


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "train.py").write_text(STEPS)
    (tmp_path / "helper_of_a_user.py").write_text("WIDTH = 1024\n")
    (tmp_path / "gpus.toml").write_text(CARD)
    return str(tmp_path / "train.py")


def _fit(target: str, *options: str, quick: bool = True) -> int:
    cards = str(Path(target.rpartition(":")[0]).with_name("gpus.toml"))
    options = (*options, *["--quick"] * quick)
    return main(["fit", target, "--gpu-file", cards, "--gpu", "small", "--gpu", "large", *options])


def test_json_lines_are_all_there_is_on_stdout(file: str, capsys) -> None:
    assert _fit(f"{file}:build_step", "--json") == 0
    small, large = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (small["gpu"], large["gpu"], small["verdict"]) == ("small", "large", "fits")
    assert small["uncapped"]["at_peak"]["parameters"] == 4 * MIB


def test_a_named_card_that_is_too_small_is_status_3(file: str, capsys) -> None:
    assert _fit(f"{file}:build_step", "--batch-size", "150", quick=False) == 3
    lines = capsys.readouterr().out.splitlines()
    titled = lines.index(next(line for line in lines if line.startswith("GPU")))
    assert " ".join(map(str.strip, lines[:titled])) == f"{file}:build_step, fp32, batch 150, PyTorch 2.11; simulated"
    assert lines[titled + 1].split()[:4] == ["small", "does", "not", "fit"]
    assert lines[titled + 2].split()[:2] == ["large", "fits"]
    assert any(line.split()[:2] == ["parameters", "4"] for line in lines)
    advised = next(n for n, line in enumerate(lines) if line.startswith("What would change it on small"))
    assert lines[advised + 2].startswith("--batch-size 75")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("leaves", "the process exited with status 0 in the middle of its work"),
        ("exits", "SystemExit: 0"),
    ],
)
def test_a_file_that_leaves_its_process_is_a_failed_step(file: str, name: str, message: str, capsys) -> None:
    assert _fit(f"{file}:{name}") == 1
    assert message in capsys.readouterr().err


def test_a_function_that_is_not_there(file: str, capsys) -> None:
    assert _fit(f"{file}:nowhere") == 2
    assert "choose from build_step, convolves, leaves, exits" in capsys.readouterr().err


SKIPS = """
import torch

def build_step(device):
    used, skipped = (torch.nn.Linear(1024, 1024, bias=False).to(device) for _ in range(2))
    optimizer = torch.optim.SGD([used.weight, skipped.weight], 0.1)
    data = torch.empty(4, 1024, device=device)

    def step():
        optimizer.zero_grad()
        used(data).sum().backward()
        optimizer.step()

    return step
"""


def test_strict_fails_where_figures_may_be_of_another_step(file: str, capsys) -> None:
    Path(file).write_text(SKIPS)
    assert _fit(f"{file}:build_step") == 0
    assert "warning: 1 of 2 parameters" in capsys.readouterr().err
    assert _fit(f"{file}:build_step", "--strict") == 1
    assert "error: 1 of 2 parameters" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (
            "build_step",
            [],
            "'build_step' is neither a model (timm:NAME, torchvision:NAME, transformers:NAME) nor FILE.py",
        ),
        ("tim:vit", [], "cannot read tim: no such file, and no library of models (timm, torchvision, transformers)"),
        ("timm:", [], "'timm:' names no model: write timm:NAME"),
        ("nosuch.py:build_step", [], "cannot read nosuch.py: no such file"),
        ("{folder}/gpus.toml:build_step", [], "gpus.toml is not a Python file: its name must end in .py"),
        ("{file}:f", ["--oracle", "rows"], "oracle 'rows' is not NAME=NUMBER, such as rows=512 or item=0; a share"),
        ("{file}:f", ["--oracle", "rows=many"], "oracle 'rows=many' is not NAME=NUMBER"),
        ("{file}:f", ["--oracle", "rows=inf"], "oracle 'rows=inf' is not NAME=NUMBER"),
        ("{file}:f", ["--oracle", "rows=-1"], "oracle rows must be a whole number of rows from 0"),
        ("{file}:f", ["--oracle", "rows=1e300"], "oracle rows must be a number between"),
        ("{file}:f", ["--oracle", f"rows={'9' * 400}"], "is not NAME=NUMBER"),
        ("{file}:f", ["--time-limit", "inf"], "at most 2678400 seconds (31 days), got inf"),
        ("{file}:f", ["--time-limit", "nan"], "at most 2678400 seconds (31 days), got nan"),
        ("{file}:f", ["--time-limit", "0"], "the time limit must be more than 0 and at most 2678400 seconds"),
        ("{file}:f", ["--time-limit", "1e10"], "at most 2678400 seconds (31 days), got 10000000000.0"),
        ("{file}:f", ["--ranks", "0"], "ranks must be between 1 and 1024, got 0"),
        ("{file}:f", ["--ranks", "2", "--no-ddp"], "--ranks counts processes of DistributedDataParallel"),
        ("{file}:f", ["--precision", "fp3"], "unknown precision 'fp3'"),
        ("{file}:f", ["--profile", "x"], "unknown profile 'x'"),
        ("{file}:f", ["--gpu", "x"], "unknown GPU 'x'"),
        ("{file}:f", ["--image-size", "5x"], "image size '5x' is neither N nor HxW, such as 512 or 800x1333"),
        (
            "{file}:f",
            ["--method", "lora", "--rank", "4"],
            "--method and the options of a method do not apply to a step of",
        ),
        ("{file}:f", ["--classes", "4"], "--classes does not apply to a step of a file: "),
        ("{file}:f", ["--json", "--markdown"], "--json and --markdown exclude each other: leave one out"),
        ("timm:test_vit", ["--set", "x"], "--set 'x' is not NAME=VALUE"),
        ("timm:test_vit", ["--precision", "apex-o1"], "unknown precision 'apex-o1'"),
        ("timm:test_vit", ["--mode", "inference", "--ema"], "--mode inference runs no training: leave --ema out"),
        ("timm:test_vit", ["--gpu", "p100-16gb", "--precision", "amp-bf16"], "p100-16gb has no bfloat16 units: take"),
    ],
)
def test_one_clear_line_and_status_2(file: str, target: str, options: list[str], message: str, capsys) -> None:
    """Before anything of the file runs."""
    assert main(["fit", target.format(file=file, folder=Path(file).parent), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_what_depends_on_the_choice_of_algorithms_is_said(file: str, capsys) -> None:
    """64 MiB go in, 8 come out (of a segment of 20), weights have 2; the copy is of what goes in and of weights."""
    assert _fit(f"{file}:convolves") == 0
    lines = capsys.readouterr().out.splitlines()
    assert ("By the convolution algorithms that cuDNN chooses (MiB): 72 to 136 allocated, 86 to 152 reserved") in lines


def test_the_allocators_settings_are_said(file: str, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    assert _fit(f"{file}:build_step") == 0
    assert "fp32, batch 4, PyTorch 2.11, expandable_segments:True; simulated" in capsys.readouterr().out


def test_images_per_second_and_the_exchange_among_ranks(tmp_path: Path, capsys, monkeypatch) -> None:
    """On a terminal of 80 columns. A card whose link is not known has no times, and says why."""
    monkeypatch.setattr(stdout, "_width", 80)
    file, cards = tmp_path / "train.py", tmp_path / "gpus.toml"
    file.write_text(TRAINS)
    cards.write_text(CARDS)
    both = ["--gpu-file", str(cards), "--gpu", "fast", "--gpu", "unlinked"]
    assert main(["fit", f"{file}:build_step", *both, "--throughput", "--ranks", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()

    step, gpu = load_function(f"{file}:build_step"), select_gpus(["fast"], [cards])[0]
    (row,) = fit_step(step, [gpu], rules=Rules(ddp=True), ranks=2, with_throughput=True)
    assert row.throughput is not None
    assert row.throughput.best is not None
    best, enough, fields = row.throughput.best, row.throughput.enough, row.to_fields()
    ranks = next(n for n, line in enumerate(lines) if line.startswith("For 2 ranks of DistributedData"))
    step_ms, least_ms, most_ms, exchange_ms, exposed_ms = (
        f"{fields[name]:.1f}" for name in ("step_ms", "least_ms", "most_ms", "exchange_ms", "exposed_ms")
    )
    coverage = f"{100 * fields['coverage']:.0f}"
    times = [step_ms, least_ms, "to", most_ms, coverage, "%", exchange_ms, exposed_ms]
    assert lines[ranks + 2].split() == ["fast", *times]
    assert lines[ranks + 3].split() == ["unlinked", *"–––––"]
    speeds = lines.index("Predicted images per second and card:")
    assert lines[speeds + 2].split() == [
        "fast", str(best.batch_size), f"{best.images_per_second:,.1f}", f"{best.step_ms:,.1f}",
        str(enough.batch_size), f"{enough.images_per_second:,.1f}",
    ]  # fmt: skip
    said = " ".join(map(str.strip, lines))
    assert "No time for unlinked: unlinked has no link_gbs: the exchange of gradients between cards needs it." in said
