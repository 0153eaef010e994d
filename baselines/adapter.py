"""Adapter (Houlsby et al. 2019): a bottleneck behind both branches of every block."""

from torch import Tensor, nn

# Bound at import, as in the authors' adapters: Apex O1 patches the attribute alone, so theirs run in half precision.
from torch.nn.functional import gelu

from baselines.method import Method, append_to_branches, parameters_of, train_only
from e3va.backbones.base import Backbone
from e3va.backbones.swin import SwinBackbone

HIDDEN = 64
"""Middle dimension of the paper's baselines (section 4.1)."""


class Bottleneck(nn.Module):
    """A bottleneck up(dropout(gelu(down(x)))): (..., dim) -> (..., dim) through `hidden` channels.

    Weights are drawn from a truncated normal distribution (std 0.02) and biases are zero, like those of all linear
    layers in the authors' Swin.
    """

    def __init__(self, dim: int, hidden: int = HIDDEN, dropout: float = 0.1) -> None:
        super().__init__()
        self.down = nn.Linear(dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.up = nn.Linear(hidden, dim)
        for linear in (self.down, self.up):
            nn.init.trunc_normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.dropout(gelu(self.down(x))))


class Adapter(Bottleneck):
    """A bottleneck with a residual connection of its own (paper, section 3.3)."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def apply_adapter(backbone: SwinBackbone) -> Backbone:
    """Put an adapter behind both branches of every block: 2 (129 d + 64) parameters per block."""
    append_to_branches(backbone, Adapter)
    train_only(backbone, parameters_of(backbone, Adapter))
    return backbone


ADAPTER = Method(
    apply_adapter,
    adds_structure=True,
    trains=("stages.*.blocks.*_branch.adapter.*",),
    starts_frozen=False,
)
