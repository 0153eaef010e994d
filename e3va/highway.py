"""The gradient highway: adapters beside a frozen Swin, so that no gradient enters the backbone (paper, section 3.2)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from e3va.adapter import DualLowRankAdapter
from models.backbone import Backbone
from models.swin import SwinBackbone


class HighwayStage(nn.Module):
    """The adapters of one stage, all parallel: e_out = e_in + sum_j A_j(x_j) (equation 8)."""

    def __init__(self, dim: int, taps: int, rank: int) -> None:
        super().__init__()
        self.adapters = nn.ModuleList(DualLowRankAdapter(dim, rank) for _ in range(taps))

    def forward(self, highway: Tensor, taps: Sequence[Tensor]) -> Tensor:
        """Highway e_in and the stage's branch outputs x_j, all (B, H, W, C) -> e_out."""
        for adapter, tap in zip(self.adapters, taps, strict=True):
            highway = highway + adapter(tap)
        return highway


class E3VA(Backbone):
    """A frozen Swin with a highway of parallel adapters; called like the Swin it wraps.

    The backbone path l runs as ever, without gradient; every block lends its two branch outputs, before DropPath, to
    the highway e. Between stages the highway passes the backbone's own frozen patch merging, and each output is
    norm(l + e) with a trainable norm. What the paper leaves open is settled so that the model starts as the frozen one:
    e_0 = l_0, hence e = l in every stage at first, and LayerNorm is scale-free.
    """

    def __init__(self, backbone: SwinBackbone, rank: int = 8) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.backbone.norms.requires_grad_(True)
        self.out_channels = backbone.out_channels
        with backbone.device:
            highway = nn.ModuleList(
                HighwayStage(stage.blocks[0].dim, 2 * len(stage.blocks), rank) for stage in backbone.stages
            )
        self.highway = cast(Sequence[HighwayStage], highway)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the feature maps of the chosen stages, (B, C_k, H_k, W_k) each."""
        with torch.no_grad():
            trunk = self.backbone.patch_embed(images)  # l_0: (B, H/4, W/4, C)
        highway = trunk  # e_0
        outputs = []
        for index, (stage, highway_stage) in enumerate(zip(self.backbone.stages, self.highway, strict=True)):
            taps: list[Tensor] = []
            with torch.no_grad():
                trunk = stage.downsample(trunk)
                for block in stage.blocks:
                    trunk = block(trunk, tap=taps.append)
            highway = highway_stage(stage.downsample(highway), taps)
            if self.backbone.has_output(index):
                outputs.append(self.backbone.output(index, trunk + highway))
        return outputs
