import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from bench.detectors.processes import mean_over_processes
from bench.detectors.targets import NO_OBJECT, DetectionTargets

RANKS = 2
SCRIPT = Path(__file__).parent / "train_a_rank.py"
ROOT = SCRIPT.parents[3]


@pytest.mark.parametrize(("count", "expected"), [(7, 7), (1, 1), (0, 1)])
def test_one_process_divides_by_its_own_count(count: int, expected: int) -> None:
    assert mean_over_processes(torch.tensor(count)) == expected


@pytest.mark.parametrize(("counts", "expected"), [((3, 8), 5.5), ((0, 1), 0.5), ((0, 0), 0.5)])
def test_the_mean_is_of_all_processes_and_of_at_least_one_in_total(monkeypatch, counts, expected: float) -> None:
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: len(counts))
    monkeypatch.setattr(dist, "all_reduce", lambda total: total.fill_(sum(counts)))
    own = torch.tensor(counts[0])
    assert mean_over_processes(own) == expected
    assert own == counts[0]


def _training() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_a_rank", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def batch(targets) -> tuple[Tensor, DetectionTargets]:
    """Two images with two objects and one, and with all background ignored in one of them, so that each process alone
    would divide by other counts."""
    images, truth = torch.randn(RANKS, 3, 64, 96), targets(RANKS, 2, 64, 96, 3)
    truth.labels[1, 1] = NO_OBJECT
    ignored = torch.tensor([[[-1e4, -1e4, 1e4, 1e4]], [[0.0, 0.0, 0.0, 0.0]]])
    return images, replace(truth, ignored=ignored, seeds=tuple(range(RANKS)))


def _in_threads(monkeypatch: pytest.MonkeyPatch, step: Callable[[int], Tensor]) -> list[Tensor]:
    """What `step(rank)` returns for every rank, each in a thread that takes sums with the others."""
    parts: list[Tensor] = []
    sums: list[Tensor] = []

    def add_up() -> None:
        sums.append(torch.stack(parts).sum(0))
        parts.clear()

    barrier = threading.Barrier(RANKS, action=add_up, timeout=60)

    def all_reduce(total: Tensor) -> None:
        parts.append(total.clone())
        barrier.wait()
        total.copy_(sums[-1])

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: RANKS)
    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    with ThreadPoolExecutor(RANKS) as threads:
        results = list(threads.map(step, range(RANKS)))
    monkeypatch.undo()
    assert sums
    return results


@pytest.mark.parametrize("name", ["retinanet", "cascade"])
def test_the_mean_over_processes_is_the_loss_of_one_with_all_images(monkeypatch, batch, name: str) -> None:
    training = _training()
    model, (images, truth) = training.build(name), batch

    def step(rank: int) -> Tensor:
        own = slice(rank, rank + 1)
        return torch.stack(list(model(images[own], training.part(truth, own)).values()))

    losses = torch.stack(_in_threads(monkeypatch, step)).mean(0)
    expected = torch.stack(list(model(images, truth).values()))
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-5)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    pairs = zip(torch.autograd.grad(losses.sum(), trained), torch.autograd.grad(expected.sum(), trained), strict=True)
    assert all(_are_close(own, other) for own, other in pairs)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["retinanet", "cascade"])
def test_two_processes_with_one_image_each_are_one_with_two(tmp_path: Path, batch, name: str) -> None:
    training, (images, truth) = _training(), batch
    torch.save((images, truth.boxes, truth.labels, truth.masks, truth.ignored), tmp_path / "batch.pt")
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, name, str(rank), str(RANKS), tmp_path],
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        for rank in range(RANKS)
    ]
    expected = training.gradients(training.build(name), images, truth)
    assert [process.wait(timeout=240) for process in processes] == [0] * RANKS
    ranks = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(RANKS)]
    losses = torch.stack([rank.pop("loss") for rank in ranks])
    torch.testing.assert_close(losses.mean(), expected.pop("loss"), rtol=1e-5, atol=1e-5)
    for own in ranks:
        assert own.keys() == expected.keys()
        assert [parameter for parameter in expected if not _are_close(own[parameter], expected[parameter])] == []


def _are_close(gradient: Tensor, expected: Tensor) -> bool:
    """Whether they differ by at most 1e-5, of the largest where gradients are large."""
    return (gradient - expected).abs().max().item() <= 1e-5 * max(expected.abs().max().item(), 1.0)
