"""A program that says "cuda" gets the simulated device, with the memory of the device that it could have been given."""

import io

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from drystep import SimulationError, simulate
from tests.drystep.cuda.api.classifier import SAMPLES, WIDTH, batch, classifier, same_as_on_the_cpu


def _with_the_device(device: torch.device):
    """As the documentation of `simulate` has it."""
    model = classifier().to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    images, labels = (part.to(device) for part in batch())

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def _with_cuda(device: torch.device):
    """As in a program that knows one GPU."""
    model = classifier().cuda()
    assert all(parameter.is_cuda for parameter in model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    images, labels = (part.pin_memory().cuda(non_blocking=True) for part in batch())

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def _by_name(device: torch.device):
    device = torch.device("cuda:0")
    model = classifier().to("cuda")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    images = torch.randn(SAMPLES, WIDTH, device="cuda")
    labels = torch.zeros(SAMPLES, dtype=torch.int64).to(device, non_blocking=True)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def _by_default(device: torch.device):
    torch.set_default_device("cuda")
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    images, labels = batch()

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


@pytest.mark.parametrize("build", [_with_cuda, _by_name, _by_default])
def test_the_same_memory_as_on_the_device_that_is_given(build) -> None:
    assert same_as_on_the_cpu(build) == same_as_on_the_cpu(_with_the_device)
    simulation, expected = simulate(build), simulate(_with_the_device)
    assert simulation.peak_allocated_bytes == expected.peak_allocated_bytes
    assert simulation.at_peak == expected.at_peak
    assert simulation.warnings == ()


def test_the_default_device_is_as_before_afterwards() -> None:
    simulate(_by_default)
    assert torch.get_default_device() == torch.device("cpu")
    assert torch.empty(1).is_cpu


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(3).to(0),
        lambda: torch.zeros(3).to("cuda", torch.float16, True),
        lambda: torch.zeros(3).to(device="cuda:0", dtype=torch.float16),
        lambda: torch.zeros(3).cuda(torch.device("cuda", 0)),
        lambda: torch.zeros(3, pin_memory=True).cuda(0, True),
        lambda: torch.zeros(3).new_ones(3, device="cuda"),
        lambda: torch.ones_like(torch.zeros(3), device="cuda"),
        lambda: torch.arange(3, device=torch.device("cuda")),
        lambda: torch.tensor([1.0], device="cuda"),
        lambda: torch.from_numpy(np.zeros(3)).cuda(),
        lambda: nn.Linear(3, 3, device="cuda").weight,
        lambda: nn.Linear(3, 3).to("cuda", torch.float16).weight,
        lambda: nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 2, 4), [3, 2]).cuda().data,
    ],
)
def test_ways_to_name_it(make) -> None:
    made = []

    def build(device: torch.device):
        tensor = make()
        made.append((tensor.device, tensor.is_cuda, tensor.get_device()))
        return lambda: tensor + 1

    simulate(build, iterations=1)
    assert made == [(torch.device("meta"), True, 0)]


def test_an_optimizer_that_was_made_before_the_move() -> None:
    def build(device: torch.device):
        model = nn.Linear(256, 256, bias=False)
        optimizer = torch.optim.AdamW(model.parameters())
        model.cuda()

        def step() -> None:
            optimizer.zero_grad()
            model(torch.zeros(2, 256, device=device)).sum().backward()
            optimizer.step()

        return step

    assert simulate(build).at_peak["optimizer_state"] == 2 * 256 * 256 * 4


def test_a_block_on_the_gpu() -> None:
    def build(device: torch.device):
        with torch.device("cuda"):
            model = nn.Linear(256, 256)
        on_host = nn.Linear(256, 256)
        assert not on_host.weight.is_cuda
        assert on_host.weight.get_device() == -1
        return lambda: model(torch.zeros(2, 256, device=model.weight.device))

    assert simulate(build).at_peak["parameters"] == 256 * 256 * 4 + 1024


def test_a_data_loader_that_pins_memory() -> None:
    def build(device: torch.device):
        model = classifier().cuda()
        loader = DataLoader(TensorDataset(*batch()), batch_size=SAMPLES, pin_memory=True)

        def step() -> None:
            for images, labels in loader:
                F.cross_entropy(model(images.cuda(non_blocking=True)), labels.cuda(non_blocking=True)).backward()

        return step

    assert simulate(build).warnings == ()


@pytest.mark.parametrize("place", ["cuda", torch.device("cuda:0"), None])
def test_a_checkpoint_is_loaded_onto_the_gpu(place) -> None:
    stored = io.BytesIO()
    torch.save(classifier().state_dict(), stored)

    def build(device: torch.device):
        stored.seek(0)
        weights = torch.load(stored, map_location=place)
        assert all(weight.is_cuda == (place is not None) for weight in weights.values())
        model = classifier().cuda()
        model.load_state_dict(weights)
        return lambda: model(batch()[0].cuda())

    simulate(build)


def test_a_checkpoint_that_a_gpu_has_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place stated, its tensors go where they were: onto the GPU."""
    stored = io.BytesIO()
    with monkeypatch.context() as patched:
        patched.setattr("torch.serialization.location_tag", lambda storage: "cuda:0")
        torch.save({"weight": torch.zeros(256, 256)}, stored)

    def build(device: torch.device):
        stored.seek(0)
        weight = torch.load(stored)["weight"]
        assert weight.is_cuda
        return lambda: weight + 1

    simulate(build)


def test_a_second_gpu_is_refused() -> None:
    def build(device: torch.device):
        return lambda: classifier().to("cuda:1")

    with pytest.raises(SimulationError, match="one GPU is simulated, and this asks for cuda:1: use the first alone"):
        simulate(build)


def test_memory_of_the_gpu_cannot_be_pinned() -> None:
    def build(device: torch.device):
        return lambda: torch.zeros(3, device="cuda").pin_memory()

    with pytest.raises(SimulationError, match="only dense CPU tensors can be pinned"):
        simulate(build)
