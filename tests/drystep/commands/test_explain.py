"""`drystep explain`: the breakdown is that of the simulation, and the files are there whole or not at all."""

import json
import pickle
from dataclasses import asdict
from pathlib import Path

import pytest

from drystep import simulate
from drystep.commands.cli import main
from drystep.fit.asked import AskedStep
from drystep.fit.session import FitSession
from drystep.gpus.classes import select_gpus
from drystep.zoo.python_file import load_function

STEP = """
import torch

def build_step(device, batch_size=4):
    model = torch.nn.Sequential(torch.nn.Linear(1024, 1024), torch.nn.ReLU(), torch.nn.Linear(1024, 1024)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    data = torch.empty(batch_size, 256, 1024, device=device)  # a MiB each

    def step():
        optimizer.zero_grad()
        model(data).sum().backward()
        optimizer.step()

    return step
"""
CARD = '[small]\nlabel = "<b>Small</b>"\nvisible_mib = 60\ncontext_mib = 10\n'
MIB = 1 << 20


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "train.py").write_text(STEP)
    (tmp_path / "gpus.toml").write_text(CARD)
    return f"{tmp_path / 'train.py'}:build_step"


def _session(asked: AskedStep, *cards: str, spec: str = "") -> FitSession:
    files = [Path(spec.rpartition(":")[0]).with_name("gpus.toml")] if spec else []
    gpus = [asdict(card) for card in select_gpus(cards, files)] if cards else []
    return FitSession(lambda phase: None, asked.to_fields(), gpus)


def test_figures_are_those_of_the_simulation(spec: str) -> None:
    answer = _session(AskedStep(spec, batch_size=8)).explain(depth=None, folder=None)
    simulated = simulate(lambda device: load_function(spec)(device, batch_size=8))
    told = answer["explanation"]
    assert told["peak"]["allocated_bytes"] == simulated.peak_allocated_bytes
    assert told["peak_reserved_bytes"] == simulated.peak_reserved_bytes
    assert told["by_category"] == {kind: size for kind, size in simulated.at_peak.items() if size}
    assert (told["capacity_bytes"], told["verdict"], answer["sizes"]["batch_size"]) == (None, "fits", 8)


def test_a_card_that_is_too_small_bounds_the_step(spec: str) -> None:
    asked = AskedStep(spec, batch_size=64)  # 64 MiB of data
    told = _session(asked, "small", spec=spec).explain(depth=None, folder=None)["explanation"]
    assert (told["verdict"], told["capacity_bytes"]) == ("oom", 50 * MIB)
    assert told["failed_request_bytes"] == 64 * MIB
    assert max(told["moments"]["reserved_bytes"]) <= 50 * MIB


def test_a_full_disk_costs_no_figure(spec: str) -> None:
    answer = _session(AskedStep(spec)).explain(depth=1, folder="/dev/null/nowhere")
    assert answer["not_written"] == "Not a directory"
    assert answer["explanation"]["peak"]["allocated_bytes"] > 0
    assert {row["module"] for row in answer["explanation"]["by_module"]} <= {"", "0", "1", "2"}


def test_what_the_command_prints_and_writes(spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, cards = tmp_path / "new" / "out", str(tmp_path / "gpus.toml")
    assert main(["explain", spec, "--batch-size", "8", "--gpu-file", cards, "--under", "small", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {"timeline.json", "timeline.html", "snapshot.pickle"}
    data = json.loads((out / "timeline.json").read_text())
    assert (data["module"], data["batch_size"], data["under"], data["precision"]) == (spec, 8, "small", "fp32")
    peak_bytes = data["peak"]["allocated_bytes"]
    assert sum(data["by_category"].values()) == sum(block["size_bytes"] for block in data["alive"]) == peak_bytes
    taken = pickle.loads((out / "snapshot.pickle").read_bytes())
    assert sum(segment["total_size"] for segment in taken["segments"]) == data["peak_reserved_bytes"]
    page = (out / "timeline.html").read_text()
    assert f"{peak_bytes / MIB:.1f} MiB allocated" in page
    assert "&lt;b&gt;Small&lt;/b&gt;" in page
    for words in (
        "under <b>Small</b>; simulated",
        f"{peak_bytes / MIB:.1f} MiB allocated",
        "kind",
        "module",
        "operator",
    ):
        assert words in " ".join(printed.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", "0"], "--depth must be at least 1, got 0"),
        (["--top", "0"], "--top must be at least 1, got 0"),
        (["--under", "gtx-285"], "unknown GPU 'gtx-285'"),
        (["--method", "lora"], "--method does not apply to a step of a file"),
        (["--out", "{file}/below"], "is a file: name a folder"),
        (["--out", "/proc/nosuch/folder"], "cannot write to --out /proc/nosuch/folder: "),
        (["--under", "v100-32gb", "--precision", "amp-bf16"], "v100-32gb has no bfloat16 units"),
    ],
)
def test_wrong_commands(spec: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = spec.rpartition(":")[0]
    assert main(["explain", spec, *(each.format(file=file) for each in arguments)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
