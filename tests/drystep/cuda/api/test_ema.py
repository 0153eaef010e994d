"""Averages of the weights in users' own loops: a second set of weights, which counts as parameters."""

import copy

import pytest
import torch
from timm.utils import ModelEmaV2, ModelEmaV3
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from drystep import simulate
from tests.drystep.cuda.api.classifier import PARAMETER_BYTES, batch, classifier, same_as_on_the_cpu


class _Handmade:
    """As many repositories have it."""

    def __init__(self, model: nn.Module) -> None:
        self.shadow = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, model: nn.Module) -> None:
        with torch.no_grad():
            for name, value in model.state_dict().items():
                self.shadow[name].mul_(0.999).add_(value, alpha=0.001)


class _Copied(_Handmade):
    """A copy of the model that never runs."""

    def __init__(self, model: nn.Module) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.shadow = self.model.state_dict()


class _Averaged(AveragedModel):
    def __init__(self, model: nn.Module) -> None:
        super().__init__(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))

    update = AveragedModel.update_parameters


KINDS = [_Handmade, _Copied, _Averaged, ModelEmaV2, lambda model: ModelEmaV3(model, decay=0.999, use_warmup=True)]


def _build(make_ema):
    def build(device: torch.device):
        model = classifier().to(device)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        ema = make_ema(model) if make_ema else None
        images, labels = (part.to(device) for part in batch())

        def step() -> None:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
            if ema is not None:
                ema.update(model)

        return step

    return build


@pytest.mark.parametrize("make_ema", KINDS)
def test_a_second_set_of_weights(make_ema) -> None:
    plain, averaged = simulate(_build(None)), simulate(_build(make_ema))
    assert averaged.at_peak["parameters"] == 2 * PARAMETER_BYTES == 2 * plain.at_peak["parameters"]
    assert averaged.at_peak["inputs"] == plain.at_peak["inputs"]
    assert averaged.allocated_after_step_bytes - plain.allocated_after_step_bytes == PARAMETER_BYTES
    assert averaged.warnings == ()
    same_as_on_the_cpu(_build(make_ema), scalars=make_ema is not _Averaged)  # which counts its updates on the host


def test_buffers_of_a_model_that_never_runs() -> None:
    """Running mean and variance, of 512 bytes each here, and two affine parameters."""

    def build(device: torch.device):
        norm = nn.BatchNorm1d(64).to(device)
        ema = ModelEmaV2(norm)

        def step() -> None:
            norm(torch.zeros(8, 64, device=device)).sum().backward()
            ema.update(norm)

        return step

    assert simulate(build).at_peak["parameters"] == 2 * 5 * 512  # and the counter of batches


def test_an_average_that_begins_with_the_first_step() -> None:
    def build(device: torch.device):
        model = classifier().to(device)
        images = batch()[0].to(device)
        averages = []

        def step() -> None:
            model(images).sum().backward()
            if not averages:
                averages.append(copy.deepcopy(model))

        return step

    assert simulate(build).at_peak["parameters"] == 2 * PARAMETER_BYTES


def test_recurrent_weights() -> None:
    """Four gates, two layers, one direction."""

    def build(device: torch.device):
        model = nn.LSTM(64, 64, num_layers=2).cuda()
        model.flatten_parameters()
        ema = copy.deepcopy(model)
        data = torch.zeros(5, 8, 64, device=device)

        def step() -> None:
            model(data)[0].sum().backward()
            for average, parameter in zip(ema.parameters(), model.parameters(), strict=True):
                average.data.lerp_(parameter.data, 0.001)

        return step

    weights_bytes = 2 * (2 * 4 * 64 * 64 * 4 + 2 * 4 * 64 * 4)
    simulation = simulate(build)
    assert simulation.at_peak["parameters"] == 2 * weights_bytes
    assert simulation.at_peak["inputs"] == 5 * 8 * 64 * 4


def test_a_copy_of_the_data_is_no_weight() -> None:
    def build(device: torch.device):
        model = nn.Linear(64, 64, bias=False).to(device)
        data = torch.zeros(64, 64, device=device)
        kept = data.clone()
        return lambda: (model(data) + model(kept)).sum().backward()

    simulation = simulate(build)
    assert simulation.at_peak["parameters"] == 64 * 64 * 4
    assert simulation.at_peak["inputs"] == 2 * 64 * 64 * 4
