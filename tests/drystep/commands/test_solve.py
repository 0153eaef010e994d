"""`drystep solve`: the largest sizes, checked by simulating them and the next, and the card to take."""

import json
from functools import partial
from pathlib import Path

import pytest

from drystep import simulate
from drystep.commands.cli import main
from drystep.gpus.classes import select_gpus
from drystep.zoo.python_file import load_function
from tests.drystep.commands.in_process import in_this_process

STEP = """
import torch

def build_step(device, batch_size=4, image_size=(64, 64)):
    model = torch.nn.Conv2d(3, 8, 1).to(device)
    images = torch.empty(batch_size, 3, *image_size, device=device)
    return lambda: model(images).sum().backward()

def no_sizes(device):
    model = torch.nn.Linear(1024, 1024).to(device)
    data = torch.empty(8, 1024, device=device)
    return lambda: model(data).sum().backward()

build_step.image_multiple = 16
"""
CARDS = "".join(f"[card-{mib}]\nvisible_mib = {mib}\ncontext_mib = 0\n" for mib in (300, 40, 90))


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, Path]:
    (tmp_path / "train.py").write_text(STEP)
    (tmp_path / "gpus.toml").write_text(CARDS)
    return str(tmp_path / "train.py"), tmp_path / "gpus.toml"


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drystep.commands.ask.in_child", in_this_process)


def _solve(what: str, files: tuple[str, Path], *options: str, name: str = "build_step") -> int:
    return main(["solve", what, f"{files[0]}:{name}", "--gpu-file", str(files[1]), *options])


def _fits(files: tuple[str, Path], card: str, **sizes: object) -> bool:
    build_step = load_function(f"{files[0]}:build_step")
    gpus = select_gpus([card], [files[1]])
    return simulate(partial(build_step, **sizes), gpus=gpus).fits[card].verdict.startswith("fits")


def test_the_largest_batch_fits_and_the_next_does_not(files, inside: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert _solve("batch-size", files, "--gpu", "card-40", "--image-size", "256", "--json") == 0
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    largest = line["largest_batch"]
    assert (line["solve"], line["gpu"], line["image_size"]) == ("batch-size", "card-40", [256, 256])
    assert _fits(files, "card-40", batch_size=largest, image_size=(256, 256))
    assert not _fits(files, "card-40", batch_size=largest + 1, image_size=(256, 256))


def test_the_largest_image_fits_and_the_next_does_not(files, inside: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert _solve("image-size", files, "--gpu", "card-40", "--json") == 0
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    height, width = line["largest_image"]
    assert (height, height % 16, line["batch_size"]) == (width, 0, 4)
    assert _fits(files, "card-40", image_size=(height, width))
    assert not _fits(files, "card-40", image_size=(height + 16, width + 16))


def test_the_smallest_card_that_fits(files, capsys: pytest.CaptureFixture[str]) -> None:
    """64 images of 256 x 256 are 48 MiB, and what comes out is 128 MiB."""
    names = [option for mib in (300, 40, 90) for option in ("--gpu", f"card-{mib}")]
    assert _solve("card", files, *names, "--batch-size", "64", "--image-size", "256") == 0
    first, chosen, _, card = capsys.readouterr().out.splitlines()
    assert first.endswith("build_step, fp32, batch 64, 256 x 256, PyTorch 2.11; simulated")
    assert chosen == "The smallest card that fits, of 3 cards: card-300 (--gpu card-300)"
    assert card.split()[:2] == ["card-300", "fits"]


def test_no_card_is_status_3(files, inside: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert _solve("card", files, "--gpu", "card-40", "--batch-size", "64", "--image-size", "256") == 3
    assert capsys.readouterr().out.splitlines()[-1] == "None of 1 card fits."


@pytest.mark.parametrize(
    ("arguments", "name", "message"),
    [
        (["cards"], "build_step", "unknown question 'cards'"),
        (["batch-size", "--by", "time"], "build_step", "--by orders cards: leave it out of solve batch-size"),
        (["card", "--by", "price"], "build_step", "unknown order 'price': choose from memory, time"),
        (["batch-size", "--batch-size", "4"], "build_step", "solve batch-size looks for it: leave --batch-size out"),
        (["image-size", "--image-size", "64"], "build_step", "solve image-size looks for it: leave --image-size out"),
        (["card", "--gpu", "nothing"], "build_step", "unknown GPU 'nothing'"),
        (["card", "--method", "lora"], "build_step", "--method does not apply to a step of a file"),
        (["batch-size"], "no_sizes", "no_sizes takes no batch_size"),
        (["image-size"], "no_sizes", "there is no largest image of"),
        (["card", "--by", "time", "--gpu", "card-300"], "no_sizes", "--by time: no time could be predicted"),
    ],
)
def test_wrong_commands(files, inside: None, arguments: list[str], name: str, message: str, capsys) -> None:
    what, *options = arguments
    assert _solve(what, files, *options, name=name) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_named_card_without_any_batch_is_status_3(files, inside: None, capsys: pytest.CaptureFixture[str]) -> None:
    """One image of 4096 x 4096 is 192 MiB."""
    assert _solve("batch-size", files, "--gpu", "card-40", "--image-size", "4096") == 3
    assert capsys.readouterr().out.splitlines()[2].split()[:2] == ["card-40", "none"]
