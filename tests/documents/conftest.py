"""A folder with the files that the documents speak of, in which their commands and programs run."""

import json
import shutil
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from pathlib import Path
from typing import Any

import pytest

from bench.commands.cli import main as bench_main
from drystep.commands import ask
from tests.documents.snippets import programs, titled
from tests.drystep.commands import in_process

DETECTOR = """\
import torch
from torchvision.ops import nms


class RoIHeads(torch.nn.Module):
    def forward(self, scores):
        return scores[scores > 0]


def build_step(device, batch_size=1):
    layer, heads = torch.nn.Linear(4, 4).to(device), RoIHeads()
    corners = torch.rand(64 * batch_size, 2, device=device)

    def step():
        boxes = layer(torch.cat([corners, corners + 1], dim=1))
        kept = nms(boxes, boxes[:, 0], 0.5)
        heads(boxes[kept, 0]).sum().backward()

    return step
"""
STEPS = "from train import build_step\nSTEPS = {'large': build_step}\n"
LLAMA = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 4, "vocab_size": 100}
MEASURED = "spec,batch,size,precision,milliseconds\ntimm:test_resnet,8,64,fp32,2.5\n"
REPORTS = (
    "id,card,torch,ddp,cudnn_benchmark,precision,rebuild,args,quantity,measured,unit\n"
    'small,V100-32GB,2.11,no,no,fp32,small_step,"(8,)",peak_allocated,9,MiB\n'
)
REBUILDS = """\
from train import build_step


def small_step(batch_size):
    return lambda device: build_step(device, batch_size)
"""
PACKAGE = "Metadata-Version: 2.1\nName: scaled-residuals\nVersion: 0.1\n"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, some of which take a second to make."""
    folder = tmp_path_factory.mktemp("documents")
    (own_step,) = programs("docs/any-model.md", "def build_step(device, batch_size=4")
    (step_of_test,) = programs("docs/ci.md", "def test_batches_fit")
    texts = {
        "train.py": own_step.text, "step.py": own_step.text, "steps.py": STEPS, "test_memory.py": step_of_test.text,
        "examples/detector.py": DETECTOR, "config.json": json.dumps(LLAMA), "steps.csv": MEASURED,
        "cards.toml": titled("docs/cards.md", "cards.toml"), "FILE.csv": REPORTS, "FILE.py": REBUILDS,
        **_method_of_a_package(),
    }  # fmt: skip
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    before = folder / "before.jsonl"
    size = ("--task", "voc", "--backbone", "swin_tiny", "--image-size", "128x192", "--method", "full")
    assert bench_main(["run", *size, "--out", str(before)]) == 0
    (folder / "bench-results").mkdir()
    for name in ("after.jsonl", "bench-results/results.jsonl"):
        shutil.copy(before, folder / name)
    return folder


def _method_of_a_package() -> dict[str, str]:
    """Files of the package of docs/methods.md as an installation leaves them."""
    import tomllib

    (points,) = tomllib.loads(titled("docs/methods.md", "pyproject.toml"))["project"]["entry-points"].items()
    group, names = points
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in names.items())]
    module = "scaled_residuals.py"
    return {
        module: titled("docs/methods.md", module),
        "scaled_residuals-0.1.dist-info/METADATA": PACKAGE,
        "scaled_residuals-0.1.dist-info/entry_points.txt": "\n".join(lines) + "\n",
    }


@pytest.fixture
def folder(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the files in the working directory, from which Python imports first."""
    import sys

    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    invalidate_caches()
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def in_thread(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Steps run in a thread of this process, which is faster than a process of their own."""
    monkeypatch.setattr(ask, "in_child", in_process.in_thread)
    return in_process.in_thread
