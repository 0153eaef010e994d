"""Region proposal network (Ren et al. 2015) with mmdet's settings: a fixed number of proposals, and losses."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image

from bench.detectors.anchors import AnchorGrid
from bench.detectors.assigners import match_boxes, sample_balanced
from bench.detectors.box_coder import BoxCoder
from bench.detectors.fixed_size_ops import nms_keep
from bench.detectors.fpn import PYRAMID_CHANNELS
from bench.detectors.layers import init_normal
from bench.detectors.targets import NO_OBJECT, DetectionTargets

STRIDES = (4, 8, 16, 32, 64)
CANDIDATES_PER_LEVEL = 2000
PROPOSALS = 2000
NMS_IOU = 0.7
SAMPLE_SIZE = 256


class RegionProposalNetwork(nn.Module):
    """Region proposal network, which returns proposals (B, P, 4), their validity (B, P), and its two losses."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors = AnchorGrid(STRIDES, scales=(8,), ratios=(0.5, 1.0, 2.0))
        self.conv = nn.Conv2d(PYRAMID_CHANNELS, PYRAMID_CHANNELS, 3, padding=1)
        self.objectness = nn.Conv2d(PYRAMID_CHANNELS, self.anchors.per_cell, 1)
        self.box_deltas = nn.Conv2d(PYRAMID_CHANNELS, self.anchors.per_cell * 4, 1)
        for conv in (self.conv, self.objectness, self.box_deltas):
            init_normal(conv, std=0.01)
        self.coder = BoxCoder()

    def forward(
        self, pyramid: Sequence[Tensor], image_size: tuple[int, int], targets: DetectionTargets
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        objectness, deltas = [], []
        for feature in pyramid:
            x = F.relu(self.conv(feature), inplace=True)
            objectness.append(self.objectness(x).permute(0, 2, 3, 1).flatten(1))  # (B, H*W*A)
            deltas.append(self.box_deltas(x).permute(0, 2, 3, 1).reshape(len(x), -1, 4))  # (B, H*W*A, 4)
        anchors = self.anchors(pyramid)
        with torch.no_grad():
            kept = [
                self._propose([level[image] for level in objectness], [level[image] for level in deltas], anchors,
                              image_size)
                for image in range(len(targets.boxes))
            ]  # fmt: skip
        losses = self._losses(torch.cat(objectness, 1), torch.cat(deltas, 1), torch.cat(anchors), targets)
        proposals, valid = (torch.stack(parts) for parts in zip(*kept, strict=True))
        return proposals, valid, losses

    def _propose(
        self, objectness: list[Tensor], deltas: list[Tensor], anchors: list[Tensor], image_size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Best proposals (P, 4) of one image, and whether they are valid (P,). P depends on the image size alone."""
        scores, boxes, levels = [], [], []
        for level, (score, delta, anchor) in enumerate(zip(objectness, deltas, anchors, strict=True)):
            score, index = score.topk(min(CANDIDATES_PER_LEVEL, len(score)))
            decoded = self.coder.decode(delta[index], anchor[index])
            scores.append(score)
            boxes.append(clip_boxes_to_image(decoded, image_size))
            levels.append(torch.full_like(index, level))
        candidates = torch.cat(boxes)
        count = min(PROPOSALS, len(candidates))
        index, valid = nms_keep(candidates, torch.cat(scores), torch.cat(levels), NMS_IOU, count)
        return candidates[index], valid

    def _losses(
        self, objectness: Tensor, deltas: Tensor, anchors: Tensor, targets: DetectionTargets
    ) -> dict[str, Tensor]:
        """Losses over the 256 anchors sampled per image; objectness (B, N), deltas (B, N, 4), anchors (N, 4)."""
        class_losses, box_losses, counts = [], [], []
        for score, delta, boxes, classes in zip(objectness, deltas, targets.boxes, targets.labels, strict=True):
            with torch.no_grad():
                matched = match_boxes(
                    anchors, boxes, classes != NO_OBJECT, positive_iou=0.7, negative_iou=0.3, low_quality_iou=0.3
                )
                index, positive, valid = sample_balanced(
                    matched, torch.ones_like(matched, dtype=torch.bool), size=SAMPLE_SIZE, positive_fraction=0.5
                )
                target = self.coder.encode(boxes[matched[index].clamp(min=0)], anchors[index])
            class_loss = F.binary_cross_entropy_with_logits(score[index], positive.float(), reduction="none")
            box_loss = F.smooth_l1_loss(delta[index], target, beta=1 / 9, reduction="none").sum(-1)
            class_losses.append((class_loss * valid).sum())
            box_losses.append((box_loss * positive).sum())
            counts.append(valid.sum())
        count = torch.stack(counts).sum().clamp(min=1)
        return {
            "rpn_objectness": torch.stack(class_losses).sum() / count,
            "rpn_box": torch.stack(box_losses).sum() / count,
        }
