"""One contract for every registered method: a new one is tested by being registered."""

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from baselines.method import Method
from bench.cases.methods import METHODS
from e3va.backbones.base import Backbone
from e3va.backbones.swin import SwinBackbone
from e3va.backbones.trained_state import load_trainable_state_dict, trainable_state_dict

IMAGE_SIZE = (64, 64)
DIM = 32
"""Wide enough for the highest rank."""

pytestmark = pytest.mark.parametrize("name", METHODS)


class Task(nn.Module):
    """A small dense task: predict a fixed random map from every feature map."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleList(nn.Conv2d(channels, 4, 1) for channels in backbone.out_channels)

    def forward(self, images: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        losses = []
        for head, feature in zip(self.heads, self.backbone(images), strict=True):
            prediction = head(feature)
            wanted = torch.randn(prediction.shape, generator=generator)
            losses.append((prediction - wanted).square().mean())
        return torch.stack(losses).sum()


@pytest.fixture
def build_swin(tiny_swin: Callable[..., SwinBackbone]) -> Callable[..., SwinBackbone]:
    return partial(tiny_swin, dim=DIM)


@pytest.fixture
def method(name: str) -> Method:
    return METHODS[name].load()


@pytest.fixture
def task(method: Method, build_swin: Callable[..., SwinBackbone]) -> Task:
    return Task(method.apply(build_swin()))


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, *IMAGE_SIZE)


def _train(task: Task, images: Tensor, steps: int) -> list[float]:
    optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = task(images)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_exactly_what_is_declared_trains(method: Method, task: Task) -> None:
    trains = {name for name, parameter in task.backbone.named_parameters() if parameter.requires_grad}
    assert trains == {name for name, _ in task.backbone.named_parameters() if method.declares(name)}


def test_a_step_changes_what_trains_and_nothing_else(method: Method, task: Task, images: Tensor) -> None:
    before = {name: parameter.detach().clone() for name, parameter in task.backbone.named_parameters()}
    _train(task, images, steps=2)
    changed = {n for n, parameter in task.backbone.named_parameters() if not torch.equal(parameter, before[n])}
    assert changed == {name for name in before if method.declares(name)}


def test_every_trainable_parameter_gets_a_gradient_by_the_second_step(task: Task, images: Tensor) -> None:
    _train(task, images, steps=1)
    task.zero_grad()
    task(images).backward()
    for name, parameter in task.backbone.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name
        else:
            assert parameter.grad is None, name


def test_starts_as_the_frozen_model_if_it_says_so(method: Method, build_swin, task: Task, images: Tensor) -> None:
    frozen = build_swin().eval()
    # The output norm divides by sqrt(variance + eps): E3VA's l + e doubles the variance's share.
    same = all(
        torch.allclose(ours, theirs, atol=2e-3)
        for ours, theirs in zip(task.backbone.eval()(images), frozen(images), strict=True)
    )
    assert same == method.starts_frozen


def test_learns_a_fixed_batch(task: Task, images: Tensor) -> None:
    losses = _train(task, images, steps=10)
    assert losses[-1] < 0.9 * losses[0]


def test_trained_state_alone_restores_the_model(method: Method, build_swin, task: Task, images: Tensor) -> None:
    _train(task, images, steps=2)
    state = copy.deepcopy(trainable_state_dict(task.backbone))
    fresh = method.apply(build_swin())
    load_trainable_state_dict(fresh, state)
    for ours, theirs in zip(fresh.eval()(images), task.backbone.eval()(images), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_another_models_state_is_refused(task: Task) -> None:
    with pytest.raises(ValueError, match=r"unexpected \['nothing.weight'\]"):
        load_trainable_state_dict(task.backbone, {**trainable_state_dict(task.backbone), "nothing.weight": Tensor()})


def test_a_backbone_takes_one_method(method: Method, build_swin) -> None:
    backbone = build_swin()
    tuned = method.apply(backbone)
    for taken in (backbone, tuned):
        with pytest.raises(ValueError, match="takes one: build a new backbone"):
            method.apply(taken)


def test_runs_on_meta(method: Method, build_swin) -> None:
    tuned = method.apply(build_swin(device="meta"))
    assert {tensor.device.type for tensor in (*tuned.parameters(), *tuned.buffers())} == {"meta"}
    features = tuned(torch.empty(2, 3, *IMAGE_SIZE, device="meta"))
    assert [feature.shape[1] for feature in features] == tuned.out_channels


def test_drop_path_and_odd_maps_and_fewer_outputs_are_no_obstacle(method: Method, build_swin) -> None:
    tuned = method.apply(build_swin(out_stages=(1, 2, 3), drop_path=0.3))
    features = tuned.train()(torch.randn(1, 3, 36, 100))
    assert [tuple(feature.shape[2:]) for feature in features] == [(5, 13), (3, 7), (2, 4)]
