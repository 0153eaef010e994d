"""RetinaNet (Lin et al. 2017, "Focal Loss for Dense Object Detection") with mmdet's Swin settings."""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image

from bench.detectors.anchors import AnchorGrid
from bench.detectors.assignment.matching import OBJECTS_AT_ONCE, match_image
from bench.detectors.box_coder import BoxCoder
from bench.detectors.focal_loss import sigmoid_focal_loss_sum
from bench.detectors.fpn import FPN, PYRAMID_CHANNELS
from bench.detectors.inference.detections import SCORE_THRESHOLD, Detections, best_of_each_class
from bench.detectors.layers import conv_relu_tower, init_normal
from bench.detectors.processes import mean_over_processes
from bench.detectors.targets import DetectionTargets, ImageSize
from e3va.backbones.base import Backbone

STRIDES = (8, 16, 32, 64, 128)
TOWER_LENGTH = 4
PRIOR = 0.01
CANDIDATES_PER_LEVEL = 1000
"""Pairs of an anchor and a class that inference decodes on each level."""


class RetinaHead(nn.Module):
    """Two towers of 3x3 convolutions, shared by all levels: class logits and box deltas per anchor."""

    def __init__(
        self,
        num_classes: int,
        anchors_per_cell: int,
        channels: int = PYRAMID_CHANNELS,
        tower_length: int = TOWER_LENGTH,
    ) -> None:
        super().__init__()
        self.class_tower = nn.Sequential(*conv_relu_tower(channels, tower_length))
        self.box_tower = nn.Sequential(*conv_relu_tower(channels, tower_length))
        self.class_logits = nn.Conv2d(channels, anchors_per_cell * num_classes, 3, padding=1)
        self.box_deltas = nn.Conv2d(channels, anchors_per_cell * 4, 3, padding=1)
        for conv in (module for module in self.modules() if isinstance(module, nn.Conv2d)):
            init_normal(conv, std=0.01)
        # Foreground is rare: every anchor starts with this probability (section 4.1 of Lin et al.).
        nn.init.constant_(cast(Tensor, self.class_logits.bias), math.log(PRIOR / (1 - PRIOR)))
        self.num_classes = num_classes

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """(B, channels, H, W) -> logits (B, H*W*A, classes), deltas (B, H*W*A, 4)."""
        logits = self.class_logits(self.class_tower(feature))
        deltas = self.box_deltas(self.box_tower(feature))
        return _per_anchor(logits, self.num_classes), _per_anchor(deltas, 4)


def _per_anchor(x: Tensor, width: int) -> Tensor:  # (B, A * width, H, W) -> (B, H*W*A, width)
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, width)


class RetinaNet(nn.Module):
    """One-stage detector. `forward(images, targets)` returns the focal loss of classes and the L1 loss of boxes.

    Without an object in the batch, the loss of boxes is zero and all anchors are background. The backbone must return
    maps of strides 8, 16 and 32 and name their `out_channels`. `channels` is the width of pyramid and head,
    `tower_length` the number of convolutions before each of the head's two outputs. `objects_at_once` objects are
    matched with the anchors at a time (`match_boxes`).
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        channels: int = PYRAMID_CHANNELS,
        tower_length: int = TOWER_LENGTH,
        *,
        objects_at_once: int = OBJECTS_AT_ONCE,
    ) -> None:
        super().__init__()
        self.objects_at_once = objects_at_once
        self.backbone = backbone
        self.neck = FPN(backbone.out_channels, extra="strided_conv", channels=channels)
        octaves = [4 * 2 ** (third / 3) for third in range(3)]
        self.anchors = AnchorGrid(STRIDES, scales=octaves, ratios=(0.5, 1.0, 2.0))
        self.head = RetinaHead(num_classes, self.anchors.per_cell, channels, tower_length)
        self.coder = BoxCoder()

    def forward(self, images: Tensor, targets: DetectionTargets) -> dict[str, Tensor]:
        pyramid, predictions = self._outputs(images)
        anchors = self.anchors(pyramid)
        with torch.no_grad():
            inside = None
            if targets.valid_sizes is not None:
                inside = [self.anchors.inside(pyramid, size) for size in targets.valid_sizes]
            # (B, anchors), (B, anchors, 4)
            labels, deltas = self._assign(torch.cat(anchors), targets.with_rows(), inside)
            normaliser = mean_over_processes((labels >= 0).sum())
        sizes = [len(level) for level in anchors]
        class_losses, box_losses = [], []
        levels = zip(predictions, labels.split(sizes, 1), deltas.split(sizes, 1), strict=True)
        for (logits, predicted), label, target in levels:
            class_losses.append(sigmoid_focal_loss_sum(logits, label))
            box_losses.append(((predicted - target).abs() * (label >= 0)[..., None]).sum())
        return {"class": _sum(class_losses) / normaliser, "box": _sum(box_losses) / normaliser}

    @torch.no_grad()
    def predict(
        self, images: Tensor, sizes: Sequence[ImageSize], original_sizes: Sequence[ImageSize] | None = None
    ) -> list[Detections]:
        """Detections of each image, with boxes in pixels of its original size.

        images (B, 3, H, W), each of the given size inside the padded batch; `original_sizes` are `sizes` by default.
        The model must be in evaluation mode.
        """
        pyramid, predictions = self._outputs(images)
        anchors = self.anchors(pyramid)
        found = []
        for image, (size, original_size) in enumerate(zip(sizes, original_sizes or sizes, strict=True)):
            levels = [(logits[image].float(), deltas[image].float()) for logits, deltas in predictions]
            found.append(self._detect(levels, anchors, size).scaled(size, original_size))
        return found

    def _detect(
        self, levels: Sequence[tuple[Tensor, Tensor]], anchors: Sequence[Tensor], size: ImageSize
    ) -> Detections:
        """Detections of one image from the logits (N_l, classes) and deltas (N_l, 4) of each level."""
        boxes, scores, labels = [], [], []
        for (logits, deltas), anchor in zip(levels, anchors, strict=True):
            every_score = logits.sigmoid().flatten()  # (N_l * classes,)
            above = (every_score > SCORE_THRESHOLD).nonzero()[:, 0]
            score, order = every_score[above].topk(min(CANDIDATES_PER_LEVEL, len(above)))
            chosen = above[order]
            row = chosen // logits.shape[1]
            boxes.append(clip_boxes_to_image(self.coder.decode(deltas[row], anchor[row]), size))
            scores.append(score)
            labels.append(chosen % logits.shape[1])
        return best_of_each_class(torch.cat(boxes), torch.cat(scores), torch.cat(labels))

    def _outputs(self, images: Tensor) -> tuple[list[Tensor], list[tuple[Tensor, Tensor]]]:
        """Pyramid, and the logits and deltas of each of its levels."""
        pyramid = self.neck(self.backbone(images))
        return pyramid, [self.head(feature) for feature in pyramid]

    def _assign(
        self, anchors: Tensor, targets: DetectionTargets, inside: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Labels (B, N) and deltas (B, N, 4) to learn. `inside` says which anchors (N,) stand on each image."""
        labels, deltas = [], []
        for image, (boxes, classes) in enumerate(zip(targets.boxes, targets.labels, strict=True)):
            matched = match_image(
                anchors, targets, image, positive_iou=0.5, negative_iou=0.4, low_quality_iou=0.0,
                at_once=self.objects_at_once, candidates=None if inside is None else inside[image],
            )  # fmt: skip
            matched_gt = matched.clamp(min=0)
            labels.append(torch.where(matched >= 0, classes[matched_gt], matched))
            deltas.append(self.coder.encode(boxes[matched_gt], anchors))
        return torch.stack(labels), torch.stack(deltas)


def _sum(losses: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()
