"""What a detector needs of its backbone."""

from torch import Tensor, nn


class Backbone(nn.Module):
    """Maps images (B, 3, H, W) to feature maps (B, C_k, H_k, W_k), the finest first."""

    out_channels: list[int]
    """C_k of each map."""
    tuned = False
    """Whether a fine-tuning method was applied. A backbone takes one."""

    def forward(self, images: Tensor) -> list[Tensor]:
        raise NotImplementedError


def require_untuned(backbone: Backbone) -> None:
    """Raise `ValueError` if a method was applied to the backbone before."""
    if backbone.tuned:
        raise ValueError(
            "a fine-tuning method was applied to this backbone already, and it takes one: build a new backbone"
        )
