"""Operations by phase: against PyTorch's own counter on steps that really run, and against arithmetic."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from drystep import simulate

IMAGES, CHANNELS, SIDE, CLASSES = 2, 8, 16, 10


class Net(nn.Module):
    """A convolution, a layer that may be frozen or computed again in backward, and a product."""

    def __init__(self, frozen: bool = False, checkpointed: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.body = nn.Linear(CHANNELS, CHANNELS)
        self.head = nn.Linear(CHANNELS, CLASSES)
        self.checkpointed = checkpointed
        if frozen:
            self.stem.requires_grad_(False)
            self.body.requires_grad_(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.stem(images).flatten(2).transpose(1, 2)
        tokens = checkpoint(self.body, tokens, use_reentrant=False) if self.checkpointed else self.body(tokens)
        return self.head(tokens)


def _step(device: torch.device, **options: bool):
    with device:
        net, images = Net(**options), torch.empty(IMAGES, 3, SIDE, SIDE).fill_(1.0)
    optimizer = torch.optim.AdamW([parameter for parameter in net.parameters() if parameter.requires_grad])

    def step() -> None:
        optimizer.zero_grad()
        net(images).mean().backward()
        optimizer.step()

    return net, images, step


@pytest.mark.parametrize("options", [{}, {"frozen": True}, {"checkpointed": True}], ids=str)
def test_phases_are_what_pytorch_counts_while_they_run(options: dict[str, bool]) -> None:
    simulation = simulate(lambda device: _step(device, **options)[2], gpus=("p100-16gb",))
    net, images, _ = _step(torch.device("cpu"), **options)
    with FlopCounterMode(display=False) as forward:
        loss = net(images).mean()
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    expected = {"forward": forward.get_total_flops(), "backward": backward.get_total_flops(), "optimizer": 0}
    assert simulation.flops() == expected


def test_modules_are_told_apart() -> None:
    """A product of (M, K) and (K, N) has 2 M K N operations, and each of its two gradients has as many."""
    flops = simulate(lambda device: _step(device)[2], gpus=("p100-16gb",)).flops
    pixels = IMAGES * SIDE * SIDE
    stem = 2 * pixels * 9 * 3 * CHANNELS
    assert flops("stem") == {"forward": stem, "backward": stem, "optimizer": 0}  # images need no gradient
    body, head = 2 * pixels * CHANNELS * CHANNELS, 2 * pixels * CHANNELS * CLASSES
    assert flops("body") == {"forward": body, "backward": 2 * body, "optimizer": 0}
    assert flops("head") == {"forward": head, "backward": 2 * head, "optimizer": 0}
    assert flops("hea") == {"forward": 0, "backward": 0, "optimizer": 0}


def test_of_several_steps_the_mean_counts() -> None:
    def build(device: torch.device):
        with device:
            layer, batches = nn.Linear(4, 4), [torch.empty(rows, 4) for rows in (1, 1, 2, 6)]
        batch = iter(batches)
        return lambda: layer(next(batch)).mean().backward()

    simulation = simulate(build, iterations=4, steady_steps=2, gpus=("p100-16gb",))
    assert simulation.flops()["forward"] == (2 * 2 * 16 + 2 * 6 * 16) // 2
