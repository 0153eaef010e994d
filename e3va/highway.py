"""The adapters beside one stage of the backbone, in the paper's form and in a fused one (section 3.2)."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from e3va.adapter import DualLowRankAdapter
from e3va.fused import fused_sum


class HighwayStage(nn.Module):
    """The adapters of one stage, all parallel: e_out = e_in + sum_j A_j(x_j) (equation 8)."""

    def __init__(self, adapters: Sequence[DualLowRankAdapter]) -> None:
        super().__init__()
        self.adapters = cast(Sequence[DualLowRankAdapter], nn.ModuleList(adapters))

    def forward(self, highway: Tensor, taps: Sequence[Tensor]) -> Tensor:
        """Highway e_in and the stage's branch outputs x_j, all (B, H, W, C) -> e_out."""
        for adapter, tap in zip(self.adapters, taps, strict=True):
            highway = highway + adapter(tap)
        return highway


class FusedHighwayStage(HighwayStage):
    """The same sum and gradients as one function, that keeps x_j alone for backward."""

    def forward(self, highway: Tensor, taps: Sequence[Tensor]) -> Tensor:
        return fused_sum(highway, taps, self.adapters)
