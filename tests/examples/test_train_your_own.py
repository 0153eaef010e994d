"""The example, as its reader runs it, and on a model of seconds."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch

from e3va import E3VA

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_your_own.py"


@pytest.fixture
def example():
    spec = importlib.util.spec_from_file_location("train_your_own", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _backbone() -> E3VA:
    torch.manual_seed(0)
    sizes = {"embed_dim": 16, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8)}
    return E3VA(timm.create_model("swin_tiny_patch4_window7_224", num_classes=0, **sizes), rank=4)


def test_it_learns_and_its_adapters_carry_what_it_learnt(example, tmp_path) -> None:
    backbone = _backbone()
    model = example.Segmenter(backbone)
    images, masks = example.squares(2)
    assert (images.mean((1, 2, 3)) > 0.05).all()
    assert masks.sum((1, 2)).tolist() == [64**2, 64**2]
    losses = example.train(model, steps=30)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    backbone.save_adapters(tmp_path / "a.safetensors")
    other = _backbone()
    assert not torch.equal(other(images)[0], backbone(images)[0])
    other.load_adapters(tmp_path / "a.safetensors")
    for model in (other, backbone):
        model.eval()
    for found, expected in zip(other(images), backbone(images), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.slow
def test_it_runs_as_its_reader_runs_it(tmp_path) -> None:
    command = [sys.executable, str(EXAMPLE), "--steps", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"[\d,]+ of [\d,]+ parameters of the backbone train", done.stdout)
    assert (tmp_path / "squares.safetensors").stat().st_size < 3e6
