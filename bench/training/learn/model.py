"""The small Swin of the study, and its light head."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from bench.training.learn.settings import LearnSettings
from e3va.backbones.base import Backbone
from e3va.backbones.swin import SwinBackbone


def build_backbone(settings: LearnSettings) -> SwinBackbone:
    """A Swin of three stages, all of which are outputs, with random weights from the global generator."""
    swin = SwinTransformer(
        embed_dim=settings.embed_dim,
        depths=settings.depths,
        num_heads=settings.heads,
        window_size=7,
        num_classes=0,
        strict_img_size=False,
        always_partition=True,
        drop_path_rate=0.0,
    )
    return SwinBackbone(swin, range(len(settings.depths)))


class LinearHead(nn.Module):
    """Class logits that are a linear function of the feature maps: a 1x1 convolution of each, resized and added up.

    It mixes no pixels and has no hidden values, so that what it tells apart, the backbone has told apart before.
    """

    def __init__(self, in_channels: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(channels, num_classes, 1) for channels in in_channels)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps (B, C_k, H_k, W_k), finest first -> logits (B, classes, H_0, W_0)."""
        levels = [layer(x) for layer, x in zip(self.layers, features, strict=True)]
        size = levels[0].shape[-2:]
        coarser = [F.interpolate(x, size, mode="bilinear", align_corners=False) for x in levels[1:]]
        return torch.stack([levels[0], *coarser]).sum(0)


class Segmenter(nn.Module):
    """A backbone and a head. (B, 3, H, W) -> class logits (B, classes, H, W)."""

    def __init__(self, backbone: Backbone, head: LinearHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """images (B, 3, H, W) -> logits (B, classes, H, W)."""
        logits = self.head(self.backbone(images))
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)
