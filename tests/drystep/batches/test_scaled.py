"""Traces made for a size, against traces that are recorded at it."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from drystep.batches.handles import with_handles
from drystep.batches.scaled import ScaledTraces, same_memory
from drystep.cuda.rules import Rules
from drystep.gpus.classes import Gpu, select_gpus
from drystep.simulator import simulate
from drystep.trace.trace import Trace

V100, H200 = select_gpus(["v100-32gb", "h200-141gb"])
RULES = Rules(card=V100)


def _trace(build_step: Callable[..., Any], rules: Rules = RULES, **size: Any) -> Trace:
    assert isinstance(rules.card, Gpu)
    return simulate(functools.partial(build_step, **size), rules, gpus=[rules.card]).trace


def _of_batches(build_step: Callable[..., Any], *sizes: int) -> ScaledTraces:
    return ScaledTraces({(size,): _trace(build_step, batch_size=size) for size in sizes}, RULES)


def _of_images(build_step: Callable[..., Any], *sizes: tuple[int, int]) -> ScaledTraces:
    return ScaledTraces({size: _trace(build_step, image_size=size) for size in sizes}, RULES)


def _trains(model: nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def convolutions(device: torch.device, batch_size: int = 2, image_size: tuple[int, int] = (64, 96)):
    """Batch norm, dropout, and convolutions with workspaces on several cards."""
    layers = [nn.Conv2d(3, 32, 7, 2, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.Dropout()]
    model = nn.Sequential(*layers, nn.Conv2d(64, 64, 3, padding=1, groups=2)).to(device)
    images = torch.empty(batch_size, 3, *image_size, device=device)
    return _trains(model, lambda: model(images).mean())


def attends(device: torch.device, batch_size: int = 2, image_size: tuple[int, int] = (64, 96)):
    """Patches of 16 x 16 that attend each other, with their positions."""
    patches = nn.Conv2d(3, 64, 16, 16)
    block = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.1, batch_first=True)
    positions = nn.Embedding(1 + image_size[0] * image_size[1] // 256, 64)
    model = nn.ModuleList([patches, block, positions]).to(device)
    images = torch.empty(batch_size, 3, *image_size, device=device)

    def loss() -> torch.Tensor:
        tokens = patches(images).flatten(2).transpose(1, 2)
        return block(F.pad(tokens, (0, 0, 1, 0)) + positions.weight).mean()

    return _trains(model, loss)


def scales_and_recomputes(device: torch.device, batch_size: int = 2, image_size: tuple[int, int] = (64, 96)):
    """Mixed precision with a scaler, and checkpoints."""
    first, second = (nn.Conv2d(channels, 16, 3, padding=1).to(device) for channels in (3, 16))
    images = torch.empty(batch_size, 3, *image_size, device=device)
    scaler = torch.amp.GradScaler(device.type)
    optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], 0.1, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.float16):
            loss = checkpoint(second, F.relu(first(images)), use_reentrant=False).mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    return step


def compares(device: torch.device, batch_size: int = 2):
    """Each of a batch with each, which takes the square of the batch."""
    model = nn.Linear(64, 64).to(device)
    data = torch.empty(batch_size, 64, device=device)

    def loss() -> torch.Tensor:
        features = model(data)
        return (features @ features.T).logsumexp(1).mean()

    return _trains(model, loss)


@pytest.mark.parametrize("build_step", [convolutions, attends, scales_and_recomputes, compares])
def test_a_batch_takes_what_it_takes_when_recorded(build_step: Callable[..., Any]) -> None:
    scaled = _of_batches(build_step, 3, 7, 15)
    for size in (8, 701):
        recorded = _trace(build_step, batch_size=size)
        assert same_memory(scaled.at((size,)), recorded)
        assert scaled.agrees((size,), recorded)
    assert not scaled.agrees((702,), recorded)


@pytest.mark.parametrize("build_step", [convolutions, attends, scales_and_recomputes])
def test_an_image_takes_what_it_takes_when_recorded(build_step: Callable[..., Any]) -> None:
    scaled = _of_images(build_step, (64, 96), (128, 192), (224, 352))
    for size in ((96, 160), (1024, 1536)):
        assert same_memory(scaled.at(size), _trace(build_step, image_size=size))


def test_workspaces_that_no_polynomial_gives() -> None:
    """Sums on an H200 take none of a small batch, and what its blocks of threads write of a large one."""
    scaled = _of_batches(convolutions, 3, 7, 15)
    counts = {size: sum(each.category == "workspace" for each in scaled.at((size,)).allocations) for size in (3, 4000)}
    assert counts[3] != counts[4000]


def test_a_step_that_branches_on_the_batch_size_is_refused() -> None:
    def build_step(device: torch.device, batch_size: int = 2):
        model = nn.Linear(64, 64).to(device)
        data = torch.empty(batch_size, 64, device=device)
        return _trains(model, lambda: (model(data).relu() if batch_size > 10 else model(data)).mean())

    assert _of_batches(build_step, 3, 7, 9)
    with pytest.raises(ValueError, match="does not"):
        _of_batches(build_step, 3, 7, 15)


def test_a_batch_that_is_padded_is_seen() -> None:
    """Rows up to a multiple of 8: 8, 16 and 24 images are, and 9 are 16."""

    def build_step(device: torch.device, batch_size: int = 2):
        model = nn.Linear(64, 64).to(device)
        data = torch.empty(-(-batch_size // 8) * 8, 64, device=device)
        return _trains(model, lambda: model(data).mean())

    scaled = _of_batches(build_step, 8, 16, 24)
    assert scaled.agrees((64,), _trace(build_step, batch_size=64))
    with pytest.raises(ValueError, match=r"an allocation would have|polynomial|storages"):
        _of_batches(build_step, 3, 9, 20, 27)
    assert not scaled.agrees((65,), _trace(build_step, batch_size=65))


def test_a_rule_that_fails_for_another_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = {(size,): _trace(attends, batch_size=size) for size in (3, 7, 15)}

    def fails(*_: Any) -> None:
        raise RuntimeError("only for lists")

    monkeypatch.setattr("drystep.batches.scaled.requested", fails)
    with pytest.raises(ValueError, match="polynomial"):
        ScaledTraces(recorded, RULES)


def test_handles_of_another_card() -> None:
    """32 MiB on Hopper, and 8.125 MiB on the others."""
    own, other = _trace(attends, batch_size=4), _trace(attends, Rules(card=H200), batch_size=4)
    assert not same_memory(own, other)
    assert same_memory(with_handles(own, 8320 << 10, 32 << 20), other)
