"""The E3VA adapter: a bottleneck whose two projections are sums of low-rank products (paper, section 3.3)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Bound at import, as in the authors' adapters: Apex O1 patches the attribute alone, so theirs run in half precision.
from torch.nn.functional import gelu

BRANCHES = 2
STANDARD_HIDDEN = 32
"""Hidden channels of the standard adapter in the paper's Table 5."""


class DualLowRankAdapter(nn.Module):
    """The adapter of E3VA: x + gelu(x W^d + b^d) W^u + b^u, with W = s_1 t_1 + s_2 t_2 and hidden width dim / 2.

    Each product s t has the rank alpha, which makes 12 alpha d / 2 + 1.5 d parameters. With `starts_zero`, one factor
    of the up-projection starts at zero, so that the adapter starts as the identity; all other factors start
    Kaiming-uniform. The paper states neither the initialisation nor the residual "+ x"; without the residual, its
    equation 6 would lose the branch that the adapter reads.
    Raises `ValueError` for a rank that is not between 1 and dim.
    """

    def __init__(self, dim: int, rank: int, residual: bool = True, starts_zero: bool = True) -> None:
        super().__init__()
        if not 1 <= rank <= dim:
            raise ValueError(f"rank must be between 1 and {dim} for {dim} channels, got {rank}")
        hidden = dim // 2
        self.residual = residual
        self.down_s, self.down_t = _kaiming(dim, rank), _kaiming(rank, hidden)
        self.down_bias = nn.Parameter(torch.zeros(hidden))
        self.up_s, self.up_t = _kaiming(hidden, rank), _kaiming(rank, dim)
        if starts_zero:
            nn.init.zeros_(self.up_t)
        self.up_bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:  # (..., dim) -> (..., dim)
        down = (self.down_s @ self.down_t).sum(0)  # (dim, dim / 2)
        up = (self.up_s @ self.up_t).sum(0)  # (dim / 2, dim)
        change = F.linear(gelu(F.linear(x, down.mT, self.down_bias)), up.mT, self.up_bias)
        return x + change if self.residual else change


class StandardAdapter(nn.Module):
    """Standard adapter x + up(gelu(down(x))) with 32 hidden channels: 65 d + 32 parameters.

    See Table 5 of the paper, and Houlsby et al. 2019.
    """

    def __init__(self, dim: int, residual: bool = True, starts_zero: bool = True) -> None:
        super().__init__()
        self.residual = residual
        self.down, self.up = nn.Linear(dim, STANDARD_HIDDEN), nn.Linear(STANDARD_HIDDEN, dim)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.bias)
        if starts_zero:
            nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:  # (..., dim) -> (..., dim)
        change = self.up(gelu(self.down(x)))
        return x + change if self.residual else change


def _kaiming(rows: int, columns: int) -> nn.Parameter:
    """One factor of both products (2, rows, columns), each drawn like the weight of a linear layer of `rows` inputs."""
    factor = nn.Parameter(torch.empty(BRANCHES, rows, columns))
    for branch in factor:
        nn.init.kaiming_uniform_(branch, a=math.sqrt(5), mode="fan_out")
    return factor
