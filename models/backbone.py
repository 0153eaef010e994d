"""What a detector needs of its backbone."""

from torch import Tensor, nn


class Backbone(nn.Module):
    """Maps images (B, 3, H, W) to feature maps (B, C_k, H_k, W_k), the finest first."""

    out_channels: list[int]
    """C_k of each map."""

    def forward(self, images: Tensor) -> list[Tensor]:
        raise NotImplementedError
