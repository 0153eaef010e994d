"""UPerNet (Xiao et al. 2018, "Unified Perceptual Parsing") with an auxiliary FCN head, as mmseg trains it on Swin."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.detectors.layers import ConvNormRelu, init_normal
from bench.detectors.targets import ImageSize
from e3va.backbones.base import Backbone

CHANNELS = 512
POOL_SCALES = (1, 2, 3, 6)
AUXILIARY_INPUT, AUXILIARY_CHANNELS, AUXILIARY_WEIGHT = 2, 256, 0.4
IGNORE_INDEX = 255


class Classifier(nn.Sequential):
    """Channel dropout and a 1x1 convolution to class logits."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        conv = nn.Conv2d(in_channels, num_classes, 1)
        init_normal(conv, std=0.01)
        super().__init__(nn.Dropout2d(0.1), conv)


class PyramidPooling(nn.Module):
    """Pyramid pooling (Zhao et al. 2017): the last map beside its pooled summaries, fused by a 3x3 convolution."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(scale), ConvNormRelu(in_channels, channels, 1)) for scale in POOL_SCALES
        )
        self.fuse = ConvNormRelu(in_channels + len(POOL_SCALES) * channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, channels, H, W)
        return self.fuse(torch.cat([x, *(_resize(branch(x), x.shape[-2:]) for branch in self.branches)], dim=1))


class UPerHead(nn.Module):
    """Pyramid pooling on top of an FPN whose levels are resized, concatenated and fused."""

    def __init__(self, in_channels: Sequence[int], num_classes: int, channels: int = CHANNELS) -> None:
        super().__init__()
        self.pooling = PyramidPooling(in_channels[-1], channels)
        self.laterals = nn.ModuleList(ConvNormRelu(own_channels, channels, 1) for own_channels in in_channels[:-1])
        self.smooth = nn.ModuleList(ConvNormRelu(channels, channels, 3) for _ in in_channels[:-1])
        self.fuse = ConvNormRelu(len(in_channels) * channels, channels, 3)
        self.classifier = Classifier(channels, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps (B, C_k, H_k, W_k), finest first -> logits (B, classes, H_0, W_0)."""
        levels = [lateral(x) for lateral, x in zip(self.laterals, features[:-1], strict=True)]
        levels.append(self.pooling(features[-1]))
        for finer in reversed(range(len(levels) - 1)):
            levels[finer] = levels[finer] + _resize(levels[finer + 1], levels[finer].shape[-2:])
        outputs = [smooth(x) for smooth, x in zip(self.smooth, levels[:-1], strict=True)] + [levels[-1]]
        fused = torch.cat([outputs[0], *(_resize(x, outputs[0].shape[-2:]) for x in outputs[1:])], dim=1)
        return self.classifier(self.fuse(fused))


class FCNHead(nn.Sequential):
    """One 3x3 convolution and a classifier: the auxiliary head on the third stage."""

    def __init__(self, in_channels: int, num_classes: int, channels: int = AUXILIARY_CHANNELS) -> None:
        super().__init__(ConvNormRelu(in_channels, channels, 3), Classifier(channels, num_classes))


class UPerNet(nn.Module):
    """Semantic segmentation. `forward(images, labels)` returns the cross-entropies of the main and auxiliary head.

    `channels` is the width of the main head, and `auxiliary_channels` that of the auxiliary head.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        channels: int = CHANNELS,
        auxiliary_channels: int = AUXILIARY_CHANNELS,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = UPerHead(backbone.out_channels, num_classes, channels)
        self.auxiliary_head = FCNHead(backbone.out_channels[AUXILIARY_INPUT], num_classes, auxiliary_channels)

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """images (B, 3, H, W), labels (B, H, W) int64 with 255 for pixels that are ignored."""
        features = self.backbone(images)
        main = _segmentation_loss(self.head(features), labels)
        auxiliary = _segmentation_loss(self.auxiliary_head(features[AUXILIARY_INPUT]), labels)
        return {"main": main, "auxiliary": AUXILIARY_WEIGHT * auxiliary}

    @torch.no_grad()
    def predict(
        self, images: Tensor, sizes: Sequence[ImageSize], original_sizes: Sequence[ImageSize] | None = None
    ) -> list[Tensor]:
        """Logits (classes, H, W) of each image at its original size, from whole images (mmseg's `whole` test mode).

        images (B, 3, H, W), each of the given size inside the padded batch; `original_sizes` are `sizes` by default.
        The logits are resized to the batch's size, cut to the image's own and resized to the original. The model must
        be in evaluation mode.
        """
        logits = self.head(self.backbone(images)).float()  # (B, classes, H / 4, W / 4)
        found = []
        for own, (height, width), original in zip(logits, sizes, original_sizes or sizes, strict=True):
            whole = _resize(own[None], images.shape[-2:])[..., :height, :width]
            found.append(_resize(whole, original)[0])
        return found


def _segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy at full resolution; logits (B, classes, h, w) are resized to labels (B, H, W).

    The mean is over all pixels. Ignored ones count as zero, so that a crop of nothing else has a loss of zero. This is
    what mmsegmentation trains UPerNet on Swin with: `CrossEntropyLoss` takes the mean of `F.cross_entropy` without
    reduction (`mmseg/models/losses/cross_entropy_loss.py`; since 0.23 by its default `avg_non_ignore=False`). The sum
    is reduced in the kernel, without a map of losses.
    """
    loss = F.cross_entropy(_resize(logits, labels.shape[-2:]), labels, ignore_index=IGNORE_INDEX, reduction="sum")
    return loss.div_(labels.numel())


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=False)
