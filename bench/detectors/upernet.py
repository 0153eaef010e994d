"""UPerNet (Xiao et al. 2018, "Unified Perceptual Parsing") with an auxiliary FCN head, as mmseg trains it on Swin."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.detectors.layers import ConvNormRelu, init_normal
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

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(scale), ConvNormRelu(in_channels, CHANNELS, 1)) for scale in POOL_SCALES
        )
        self.fuse = ConvNormRelu(in_channels + len(POOL_SCALES) * CHANNELS, CHANNELS, 3)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, 512, H, W)
        return self.fuse(torch.cat([x, *(_resize(branch(x), x) for branch in self.branches)], dim=1))


class UPerHead(nn.Module):
    """Pyramid pooling on top of an FPN whose levels are resized, concatenated and fused."""

    def __init__(self, in_channels: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.pooling = PyramidPooling(in_channels[-1])
        self.laterals = nn.ModuleList(ConvNormRelu(channels, CHANNELS, 1) for channels in in_channels[:-1])
        self.smooth = nn.ModuleList(ConvNormRelu(CHANNELS, CHANNELS, 3) for _ in in_channels[:-1])
        self.fuse = ConvNormRelu(len(in_channels) * CHANNELS, CHANNELS, 3)
        self.classifier = Classifier(CHANNELS, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps (B, C_k, H_k, W_k), finest first -> logits (B, classes, H_0, W_0)."""
        levels = [lateral(x) for lateral, x in zip(self.laterals, features[:-1], strict=True)]
        levels.append(self.pooling(features[-1]))
        for finer in reversed(range(len(levels) - 1)):
            levels[finer] = levels[finer] + _resize(levels[finer + 1], levels[finer])
        outputs = [smooth(x) for smooth, x in zip(self.smooth, levels[:-1], strict=True)] + [levels[-1]]
        fused = torch.cat([outputs[0], *(_resize(x, outputs[0]) for x in outputs[1:])], dim=1)
        return self.classifier(self.fuse(fused))


class FCNHead(nn.Sequential):
    """One 3x3 convolution and a classifier: the auxiliary head on the third stage."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__(ConvNormRelu(in_channels, AUXILIARY_CHANNELS, 3), Classifier(AUXILIARY_CHANNELS, num_classes))


class UPerNet(nn.Module):
    """Semantic segmentation. `forward(images, labels)` returns the cross-entropies of the main and auxiliary head."""

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = UPerHead(backbone.out_channels, num_classes)
        self.auxiliary_head = FCNHead(backbone.out_channels[AUXILIARY_INPUT], num_classes)

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """images (B, 3, H, W), labels (B, H, W) int64 with 255 for pixels that are ignored."""
        features = self.backbone(images)
        main = _segmentation_loss(self.head(features), labels)
        auxiliary = _segmentation_loss(self.auxiliary_head(features[AUXILIARY_INPUT]), labels)
        return {"main": main, "auxiliary": AUXILIARY_WEIGHT * auxiliary}


def _segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy at full resolution; logits (B, classes, h, w) are resized to labels (B, H, W).

    The mean is over all pixels. Ignored ones count as zero, so that a crop of nothing else has a loss of zero. This is
    what mmsegmentation trains UPerNet on Swin with: `CrossEntropyLoss` takes the mean of `F.cross_entropy` without
    reduction (`mmseg/models/losses/cross_entropy_loss.py`; since 0.23 by its default `avg_non_ignore=False`). The sum
    is reduced in the kernel, without a map of losses.
    """
    loss = F.cross_entropy(_resize(logits, labels), labels, ignore_index=IGNORE_INDEX, reduction="sum")
    return loss.div_(labels.numel())


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
