"""`bench train` and `bench evaluate` as a user runs them, in this process and at the smallest sizes."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.training.data.made.make import make_set
from bench.training.names import ACCURACY_FILE, DETECTIONS_FILE, LOG_FILE, RUN_FILE, SUMMARY_FILE

SHORT = ("--backbone", "swin_nano", "--steps", "2", "--images-per-gpu", "1", "--total-batch", "1", "--workers", "0",
         "--device", "cpu")  # fmt: skip


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voc") / "set"
    make_set("voc", folder, train=4, val=2, image_size=(64, 96))
    return folder


@pytest.fixture
def train(voc: Path, tmp_path: Path) -> Callable[..., int]:
    def run(*options: str, method: str = "fixed") -> int:
        arguments = ["train", "--task", "voc", "--data", str(voc), "--out", str(tmp_path), "--method", method]
        return main([*arguments, *SHORT, *options])

    return run


def test_a_run_is_trained_evaluated_and_not_repeated(
    train: Callable[..., int], voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert train() == 0
    folder = tmp_path / "voc-fixed-swin_nano-seed0"
    assert {RUN_FILE, LOG_FILE, SUMMARY_FILE, "checkpoints"} <= {path.name for path in folder.iterdir()}
    cost = json.loads((folder / SUMMARY_FILE).read_text())
    assert cost["simulated_reserved_bytes"] >= cost["simulated_allocated_bytes"] > 0
    assert cost["peak_allocated_bytes"] is None  # a CPU has no such counters
    assert "step 2 of 2, loss" in capsys.readouterr().err

    assert main(["evaluate", str(folder), "--data", str(voc), "--workers", "0", "--device", "cpu"]) == 0
    accuracy = json.loads((folder / ACCURACY_FILE).read_text())
    assert 0 <= accuracy["metrics"]["AP50"] <= 1
    assert (accuracy["made_up"], accuracy["steps"], accuracy["images"]) == (True, 2, {"train": 4, "val": 2})
    assert re.search(r"AP50 %.*\n.*voc-fixed-swin_nano-seed0 +\d", capsys.readouterr().out)
    again = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert main(["evaluate", str(folder), "--data", str(voc), "--workers", "0", "--device", "cpu"]) == 0
    assert (folder / DETECTIONS_FILE).read_bytes() == again[DETECTIONS_FILE]

    log = (folder / LOG_FILE).read_bytes()
    capsys.readouterr()
    assert train() == 0
    assert (folder / LOG_FILE).read_bytes() == log
    assert "voc-fixed-swin_nano-seed0 is done" in capsys.readouterr().out
    assert train("--learning-rate", "0.5") == 2
    assert "another run, in which recipe learning rate is 0.001, not 0.5" in capsys.readouterr().err
    assert train("--learning-rate", "0.5", "--rerun") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--total-batch", "3", "--images-per-gpu", "2"), "a total batch of 3 is no multiple of 2 images per GPU"),
        (("--precision", "amp-fp16"), "amp-fp16 is a precision of GPUs: take fp32 on a CPU"),
        (("--pretrained", "nowhere.pth"), "nowhere.pth"),
        (("--steps", "0"), "steps must be above 0, got 0"),
        (("--learning-rate", "nan"), "learning rate must be above 0, got nan"),
        (("--workers", "-1"), "workers must be"),
        (("--device", "tpu"), "unknown device 'tpu'"),
        (("--checkpoint-every", "0"), "checkpoint-every must be"),
        (("--method", "lorra"), "unknown method 'lorra': did you mean lora?"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(
    train: Callable[..., int], tmp_path: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture
) -> None:
    assert train(*options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob(SUMMARY_FILE))


def test_a_wrong_folder_says_what_was_expected_where(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", "--task", "coco", "--data", str(tmp_path), "--method", "full", *SHORT]) == 2
    assert "annotations" in capsys.readouterr().err


def test_evaluating_what_is_no_run_is_one_sentence(voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["evaluate", str(tmp_path), "--data", str(voc)]) == 2
    assert "is no run: it has no run.json" in capsys.readouterr().err


def test_a_checkpoint_of_another_method_is_refused(
    train: Callable[..., int], voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert train() == 0
    folder = tmp_path / "voc-fixed-swin_nano-seed0"
    stored = json.loads((folder / RUN_FILE).read_text())
    stored["run"]["case"]["method"] = "bitfit"
    (folder / RUN_FILE).write_text(json.dumps(stored))
    capsys.readouterr()
    assert main(["evaluate", str(folder), "--data", str(voc), "--workers", "0", "--device", "cpu"]) == 2
    assert re.search("belongs to another method or backbone|are not those that the run", capsys.readouterr().err)
