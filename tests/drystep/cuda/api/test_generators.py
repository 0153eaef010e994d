"""Random generators of the GPU in users' own steps."""

import pytest
import torch
from torch import nn

from drystep import simulate
from tests.drystep.cuda.api.classifier import same_as_on_the_cpu


@pytest.mark.parametrize("name", ["given", "cuda", "cuda:0"])
def test_noise_from_a_generator(name: str) -> None:
    """A diffusion model's step: noise (8, 4, 32, 32) of 128 KiB, and its mean square."""

    def build(device: torch.device):
        generator = torch.Generator(device if name == "given" else name).manual_seed(0)
        assert isinstance(generator, torch.Generator)
        assert generator.device == device
        model = nn.Conv2d(4, 4, 3, padding=1).to(device)

        def step() -> None:
            noise = torch.randn(8, 4, 32, 32, generator=generator, device=generator.device)
            steps = torch.randint(0, 1000, (8,), generator=generator, device="cuda")
            (model(noise) - noise).square().mean().backward()
            assert noise.is_cuda
            assert steps.is_cuda

        return step

    same_as_on_the_cpu(build)
    sizes = [
        allocation.requested_bytes
        for allocation in simulate(build).trace.allocations
        if allocation.shape == (8, 4, 32, 32)
    ]
    assert sizes[0] == 128 << 10


def test_initialization_and_permutations() -> None:
    def build(device: torch.device):
        generator = torch.Generator(device="cuda")
        weight = torch.empty(16, 16, device=device)
        nn.init.kaiming_uniform_(weight, generator=generator)
        torch.randperm(16, generator=generator, device=device)
        torch.bernoulli(weight.abs(), generator=generator)
        generator.set_state(generator.get_state())
        return lambda: weight.normal_(generator=generator)

    simulate(build)


def test_generators_of_the_cpu_are_as_always() -> None:
    def build(device: torch.device):
        first = torch.rand(3, generator=torch.Generator().manual_seed(3))
        assert torch.equal(first, torch.rand(3, generator=torch.Generator("cpu").manual_seed(3)))
        assert isinstance(torch.default_generator, torch.Generator)
        return lambda: torch.zeros(3, device=device)

    simulate(build)
    assert type(torch.Generator()) is torch.Generator
