"""What a step keeps for backward: against PyTorch's saved-tensor hooks, and against arithmetic."""

import pytest
import torch
from torch import nn

from drystep import simulate

ROWS, WIDTH = 32, 64
FLOAT = 4
MAP = ROWS * WIDTH * FLOAT


class Net(nn.Module):
    """Three layers with activations between them, the first two of which may be frozen."""

    def __init__(self, frozen: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU())
        self.second = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU())
        self.last = nn.Linear(WIDTH, WIDTH)
        for part in (self.first, self.second)[:frozen]:
            part.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(self.first(x)))


def _build(frozen: int):
    def build(device: torch.device):
        with device:
            net, batch = Net(frozen), torch.empty(ROWS, WIDTH)
        return lambda: net(batch).square().sum().backward()

    return build


def _saved_by_hooks(frozen: int) -> int:
    """Bytes of distinct storages that PyTorch saves on a CPU, without parameters and the batch."""
    net, batch = Net(frozen), torch.zeros(ROWS, WIDTH)
    known = {tensor.untyped_storage().data_ptr() for tensor in (*net.parameters(), batch)}
    saved: dict[int, torch.UntypedStorage] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = net(batch).square().sum()
    kept = sum(storage.nbytes() for storage in saved.values())
    del loss
    return kept


@pytest.mark.parametrize(("frozen", "maps"), [(0, 5), (1, 4), (2, 2)])
def test_equals_the_saved_tensors_and_the_loss(frozen: int, maps: int) -> None:
    """GELU saves its input and the next layer its own; the square saves the output of the last layer.

    Beside them are the loss and the one that `backward` begins with.
    """
    kept = simulate(_build(frozen), gpus=("p100-16gb",)).saved_bytes()
    assert kept == _saved_by_hooks(frozen) + 2 * FLOAT == maps * MAP + 2 * FLOAT


def test_modules_are_told_apart() -> None:
    saved_bytes = simulate(_build(0), gpus=("p100-16gb",)).saved_bytes
    assert [saved_bytes(path) for path in ("first", "first.0", "second", "last", "elsewhere")] == [
        2 * MAP, MAP, 2 * MAP, MAP, 0,
    ]  # fmt: skip


def test_of_several_steps_the_largest_counts() -> None:
    def build(device: torch.device):
        with device:
            layer, batches = nn.Linear(4, 4), [torch.empty(rows, 4) for rows in (9, 9, 6, 2)]
        batch = iter(batches)
        return lambda: layer(next(batch)).square().sum().backward()

    simulation = simulate(build, iterations=4, steady_steps=2, gpus=("p100-16gb",))
    assert simulation.saved_bytes() == 6 * 4 * FLOAT + 2 * FLOAT


def test_a_step_without_backward_keeps_what_is_alive_at_its_end() -> None:
    def build(device: torch.device):
        with device:
            layer, batch = nn.Linear(4, 4), torch.empty(2, 4)
        return lambda: layer(batch)

    assert simulate(build, gpus=("p100-16gb",)).saved_bytes() == 0
