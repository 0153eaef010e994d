"""Every class is good for the simulator: for memory, and for the time of a step in each precision it has."""

import pytest
import torch
from torch import Tensor, nn

from drystep import Rules, simulate
from drystep.gpus.classes import Gpu, read_gpus
from drystep.simulation import Simulation

CLASSES = [*read_gpus().values()]


def _build_step(device: torch.device):
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 14 * 14, 10))
    model.to(device)
    images = torch.empty(4, 3, 16, 16, device=device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def step() -> None:
        optimizer.zero_grad()
        loss: Tensor = model(images).sum()
        loss.backward()
        optimizer.step()

    return step


@pytest.fixture(scope="module")
def by_precision() -> dict[str, Simulation]:
    return {
        precision: simulate(_build_step, Rules(), precision, gpus=["all"])
        for precision in ("fp32", "amp-fp16", "amp-bf16")
    }


@pytest.mark.parametrize("gpu", CLASSES, ids=lambda gpu: gpu.name)
def test_a_step_has_a_time_on_every_class(gpu: Gpu, by_precision: dict[str, Simulation]) -> None:
    for precision, simulation in by_precision.items():
        assert simulation.fits[gpu.name].verdict == "fits"
        if precision == "amp-bf16" and float(gpu.compute_capability) < 8:
            with pytest.raises(ValueError, match=f"{gpu.name} has no bf16_tflops"):
                simulation.step_time(gpu)
        else:
            assert 0 < simulation.step_time(gpu.name).step_ms < 50


@pytest.mark.parametrize("gpu", CLASSES, ids=lambda gpu: gpu.name)
def test_gradients_can_be_exchanged_on_every_class(gpu: Gpu, by_precision: dict[str, Simulation]) -> None:
    exchange = by_precision["fp32"].step_time(gpu, ranks=2).exchange
    assert exchange is not None


def test_a_group_is_judged_class_by_class(by_precision: dict[str, Simulation]) -> None:
    assert [*by_precision["fp32"].fits] == [gpu.name for gpu in CLASSES]
    twice = simulate(_build_step, gpus=["a100", "a100-80gb", CLASSES[0]])
    assert [*twice.fits] == ["a100-40gb", "a100-80gb", CLASSES[0].name]
