"""The adapters beside one stage of the backbone (section 3.2 of the paper), as plain modules and in a fused form."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from e3va.adapter import DualLowRankAdapter
from e3va.fused import fused_sum


class HighwayStage(nn.Module):
    """The adapters of one stage, all in parallel: e_out = e_in + sum_j A_j(x_j) (equation 8)."""

    def __init__(self, adapters: Sequence[nn.Module]) -> None:
        super().__init__()
        self.adapters = cast(Sequence[nn.Module], nn.ModuleList(adapters))

    def forward(self, highway: Tensor, taps: Sequence[Tensor]) -> Tensor:
        """Highway e_in and the branch outputs x_j of the stage, all (B, H, W, C) -> e_out."""
        for adapter, tap in zip(self.adapters, taps, strict=True):
            highway = highway + adapter(tap)
        return highway


class FusedHighwayStage(HighwayStage):
    """The same sum and gradients as a single autograd function, which only keeps x_j for backward."""

    def forward(self, highway: Tensor, taps: Sequence[Tensor]) -> Tensor:
        return fused_sum(highway, taps, cast(Sequence[DualLowRankAdapter], self.adapters))


class StackedHighwayStage(HighwayStage):
    """The two adapters of a block in sequence: e_{i+1} = e_i + A2(p2 + A1(p1)).

    The paper shows this in Figure 3 without an equation. In this reading e = l at first, as in the parallel layout.
    """

    def forward(self, highway: Tensor, taps: Sequence[Tensor]) -> Tensor:
        for index in range(0, len(taps), 2):
            first, second = self.adapters[index], self.adapters[index + 1]
            highway = highway + second(taps[index + 1] + first(taps[index]))
        return highway
