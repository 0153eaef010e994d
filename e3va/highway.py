"""The gradient highway: adapters beside a frozen Swin, so that no gradient enters the backbone (paper, section 3.2)."""

import torch
from torch import Tensor, nn

from e3va.adapter import DualLowRankAdapter
from models.swin import SwinBackbone


class E3VA(nn.Module):
    """A frozen Swin with a highway of parallel adapters; called like the Swin it wraps.

    For block i with branch outputs p1 and p2 (before DropPath), the backbone path l runs as ever and the highway is
    e_{i+1} = e_i + A1(p1) + A2(p2) (equations 7 and 8). Between stages the highway passes the backbone's own frozen
    patch merging, and each output is norm(l + e) with a trainable norm. What the paper leaves open is settled so that
    the model starts as the frozen one: e_0 = l_0, hence e = l in every stage at first, and LayerNorm is scale-free.
    """

    def __init__(self, backbone: SwinBackbone, rank: int = 8) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.backbone.norms.requires_grad_(True)
        self.out_channels = backbone.out_channels
        with torch.device(backbone.patch_embed.proj.weight.device):
            self.adapters = nn.ModuleList(
                nn.ModuleList(nn.ModuleList(DualLowRankAdapter(block.dim, rank) for _ in range(2)) for block in stage.blocks)
                for stage in backbone.stages
            )  # fmt: skip

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the feature maps of the chosen stages, (B, C_k, H_k, W_k) each."""
        with torch.no_grad():
            trunk = self.backbone.patch_embed(images)  # l_0: (B, H/4, W/4, C)
        highway = trunk  # e_0
        outputs = []
        for index, (stage, stage_adapters) in enumerate(zip(self.backbone.stages, self.adapters, strict=True)):
            with torch.no_grad():
                trunk = stage.downsample(trunk)
            highway = stage.downsample(highway)
            for block, adapters in zip(stage.blocks, stage_adapters, strict=True):
                taps: list[Tensor] = []
                with torch.no_grad():
                    trunk = block(trunk, tap=taps.append)
                for adapter, tap in zip(adapters, taps, strict=True):
                    highway = highway + adapter(tap)
            if self.backbone.has_output(index):
                outputs.append(self.backbone.output(index, trunk + highway))
        return outputs
