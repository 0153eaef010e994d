"""A made-up set of the default size, learned by its default recipe, through the commands that a user types."""

import json
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.training.names import ACCURACY_FILE


@pytest.mark.nightly
@pytest.mark.parametrize(("task", "metric"), [("voc", "AP50"), ("coco", "bbox_AP50"), ("ade20k", "mIoU")])
def test_a_small_swin_learns_a_made_up_set(tmp_path: Path, task: str, metric: str) -> None:
    data, runs = str(tmp_path / "set"), str(tmp_path / "runs")
    assert main(["make-data", "--task", task, "--out", data]) == 0
    arguments = ["--task", task, "--data", data, "--method", "full", "--backbone", "swin_nano", "--device", "cpu"]
    assert main(["train", *arguments, "--out", runs]) == 0
    folder = tmp_path / "runs" / f"{task}-full-swin_nano-seed0"
    assert main(["evaluate", str(folder), "--data", data, "--device", "cpu"]) == 0
    assert json.loads((folder / ACCURACY_FILE).read_text())["metrics"][metric] > 0.4
