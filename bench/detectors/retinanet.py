"""RetinaNet (Lin et al. 2017, "Focal Loss for Dense Object Detection") with mmdet's Swin settings."""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from bench.detectors.anchors import AnchorGrid
from bench.detectors.assigners import OBJECTS_AT_ONCE, match_boxes
from bench.detectors.box_coder import BoxCoder
from bench.detectors.focal_loss import sigmoid_focal_loss_sum
from bench.detectors.fpn import FPN, PYRAMID_CHANNELS
from bench.detectors.layers import conv_relu_tower, init_normal
from bench.detectors.targets import NO_OBJECT, DetectionTargets
from e3va.backbones.base import Backbone

STRIDES = (8, 16, 32, 64, 128)
TOWER_LENGTH = 4
PRIOR = 0.01


class RetinaHead(nn.Module):
    """Two towers of four 3x3 convolutions, shared by all levels: class logits and box deltas per anchor."""

    def __init__(self, num_classes: int, anchors_per_cell: int) -> None:
        super().__init__()
        self.class_tower = nn.Sequential(*conv_relu_tower(PYRAMID_CHANNELS, TOWER_LENGTH))
        self.box_tower = nn.Sequential(*conv_relu_tower(PYRAMID_CHANNELS, TOWER_LENGTH))
        self.class_logits = nn.Conv2d(PYRAMID_CHANNELS, anchors_per_cell * num_classes, 3, padding=1)
        self.box_deltas = nn.Conv2d(PYRAMID_CHANNELS, anchors_per_cell * 4, 3, padding=1)
        for conv in (module for module in self.modules() if isinstance(module, nn.Conv2d)):
            init_normal(conv, std=0.01)
        # Foreground is rare: every anchor starts with this probability (section 4.1 of Lin et al.).
        nn.init.constant_(cast(Tensor, self.class_logits.bias), math.log(PRIOR / (1 - PRIOR)))
        self.num_classes = num_classes

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 256, H, W) -> logits (B, H*W*A, classes), deltas (B, H*W*A, 4)."""
        logits = self.class_logits(self.class_tower(feature))
        deltas = self.box_deltas(self.box_tower(feature))
        return _per_anchor(logits, self.num_classes), _per_anchor(deltas, 4)


def _per_anchor(x: Tensor, width: int) -> Tensor:  # (B, A * width, H, W) -> (B, H*W*A, width)
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, width)


class RetinaNet(nn.Module):
    """One-stage detector. `forward(images, targets)` returns the focal loss of classes and the L1 loss of boxes.

    Without an object in the batch, the loss of boxes is zero and all anchors are background. The backbone must return
    maps of strides 8, 16 and 32 and name their `out_channels`. `objects_at_once` objects are matched with the anchors
    at a time (`match_boxes`).
    """

    def __init__(self, backbone: Backbone, num_classes: int, objects_at_once: int = OBJECTS_AT_ONCE) -> None:
        super().__init__()
        self.objects_at_once = objects_at_once
        self.backbone = backbone
        self.neck = FPN(backbone.out_channels, extra="strided_conv")
        octaves = [4 * 2 ** (third / 3) for third in range(3)]
        self.anchors = AnchorGrid(STRIDES, scales=octaves, ratios=(0.5, 1.0, 2.0))
        self.head = RetinaHead(num_classes, self.anchors.per_cell)
        self.coder = BoxCoder()

    def forward(self, images: Tensor, targets: DetectionTargets) -> dict[str, Tensor]:
        pyramid = self.neck(self.backbone(images))
        predictions = [self.head(feature) for feature in pyramid]
        anchors = self.anchors(pyramid)
        with torch.no_grad():
            labels, deltas = self._assign(torch.cat(anchors), targets.with_rows())  # (B, anchors), (B, anchors, 4)
            normaliser = (labels >= 0).sum().clamp(min=1)
        sizes = [len(level) for level in anchors]
        class_losses, box_losses = [], []
        levels = zip(predictions, labels.split(sizes, 1), deltas.split(sizes, 1), strict=True)
        for (logits, predicted), label, target in levels:
            class_losses.append(sigmoid_focal_loss_sum(logits, label))
            box_losses.append(((predicted - target).abs() * (label >= 0)[..., None]).sum())
        return {"class": _sum(class_losses) / normaliser, "box": _sum(box_losses) / normaliser}

    def _assign(self, anchors: Tensor, targets: DetectionTargets) -> tuple[Tensor, Tensor]:
        labels, deltas = [], []
        for boxes, classes in zip(targets.boxes, targets.labels, strict=True):
            matched = match_boxes(
                anchors, boxes, classes != NO_OBJECT,
                positive_iou=0.5, negative_iou=0.4, low_quality_iou=0.0, at_once=self.objects_at_once,
            )  # fmt: skip
            matched_gt = matched.clamp(min=0)
            labels.append(torch.where(matched >= 0, classes[matched_gt], matched))
            deltas.append(self.coder.encode(boxes[matched_gt], anchors))
        return torch.stack(labels), torch.stack(deltas)


def _sum(losses: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()
