import torch
from torch import nn

from drystep import simulate
from drystep.cuda.semantics import semantics

KIB = 1 << 10


class _Tied(nn.Module):
    """A megabyte that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(1024, 256)
        self.head = nn.Linear(256, 1024, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.embedding(tokens))


def _build(device: torch.device):
    model = _Tied()
    optimizer = torch.optim.AdamW(model.parameters())  # before the move, which is fine on a GPU
    model.to(device)
    tokens = torch.zeros(2, dtype=torch.int64, device=device)

    def step() -> None:
        optimizer.zero_grad()
        model(tokens).sum().backward()
        optimizer.step()

    return step


def test_tied_weights_stay_one_and_the_optimizer_keeps_them() -> None:
    simulation = simulate(_build)
    assert simulation.at_peak["parameters"] == 1024 * KIB
    assert simulation.at_peak["gradients"] == 1024 * KIB
    assert simulation.at_peak["optimizer_state"] == 2048 * KIB


def test_as_before_afterwards() -> None:
    with semantics("torch-2.11", "fp32", torch.device("meta")):
        assert torch.__future__.get_swap_module_params_on_conversion()
    assert not torch.__future__.get_swap_module_params_on_conversion()
