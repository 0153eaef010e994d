"""LoRand (Yin et al. 2023, "1% VS 100%"): adapters whose weights are sums of three-factor products."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Bound at import, as in the authors' adapters: Apex O1 patches the attribute alone, so theirs run in half precision.
from torch.nn.functional import gelu

from baselines.method import Method, append_to_branches, parameters_of, train_only
from e3va.backbones.base import Backbone
from e3va.backbones.swin import SwinBackbone

BRANCHES = 2
KERNEL = 8


class LoRandAdapter(nn.Module):
    """LoRand's adapter x + up(gelu(down(x))), whose weights W = sum_i P_i K_i Q_i are computed in every forward pass.

    The hidden width is dim / 2. The kernels K_i (kernel x kernel) are shared by down and up, and each projection has a
    bias of its own: 3 branches kernel d + 1.5 d + branches kernel^2 parameters. All factors start Kaiming-uniform, as
    in the authors' code, so that the adapter starts near the identity but not at it.
    """

    def __init__(self, dim: int, branches: int = BRANCHES, kernel: int = KERNEL) -> None:
        super().__init__()
        hidden = dim // 2
        self.kernel = _factor(branches, kernel, kernel)
        self.down_left, self.down_right = _factor(branches, hidden, kernel), _factor(branches, kernel, dim)
        self.up_left, self.up_right = _factor(branches, dim, kernel), _factor(branches, kernel, hidden)
        self.down_bias, self.up_bias = nn.Parameter(torch.zeros(hidden)), nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:  # (..., dim) -> (..., dim)
        down = (self.down_left @ self.kernel @ self.down_right).sum(0)  # (dim / 2, dim)
        up = (self.up_left @ self.kernel @ self.up_right).sum(0)  # (dim, dim / 2)
        return x + F.linear(gelu(F.linear(x, down, self.down_bias)), up, self.up_bias)


def _factor(branches: int, rows: int, columns: int) -> nn.Parameter:
    factor = nn.Parameter(torch.empty(branches, rows, columns))
    for branch in factor:
        nn.init.kaiming_uniform_(branch, a=math.sqrt(5))
    return factor


def apply_lorand(backbone: SwinBackbone) -> Backbone:
    """Put a LoRand adapter behind both branches of every block: 99 d + 256 parameters per block.

    This size matches the published 1.20 M on Swin-B. No structure matches both that and the published 1.31 M on Swin-L.
    """
    append_to_branches(backbone, LoRandAdapter)
    train_only(backbone, parameters_of(backbone, LoRandAdapter))
    return backbone


LORAND = Method(
    apply_lorand,
    adds_structure=True,
    trains=("stages.*.blocks.*_branch.adapter.*",),
    starts_frozen=False,
)
