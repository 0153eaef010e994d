"""Region proposal network (Ren et al. 2015) with mmdet's settings: a fixed number of proposals, and losses."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image

from bench.detectors.anchors import AnchorGrid
from bench.detectors.assignment.matching import match_image
from bench.detectors.assignment.sampling import sample_balanced
from bench.detectors.box_coder import BoxCoder
from bench.detectors.fixed_size_ops import nms_keep
from bench.detectors.fpn import PYRAMID_CHANNELS
from bench.detectors.layers import init_normal
from bench.detectors.processes import mean_over_processes
from bench.detectors.targets import DetectionTargets, ImageSize

STRIDES = (4, 8, 16, 32, 64)
PROPOSALS, TEST_PROPOSALS = 2000, 1000
"""Proposals of an image in training and inference, and as many candidates of each level."""
NMS_IOU = 0.7
SAMPLE_SIZE = 256


SEED_USE = 0
"""Which use of an image's seed the sample of anchors is (`DetectionTargets.generator`)."""


class RegionProposalNetwork(nn.Module):
    """Region proposal network, which returns proposals (B, P, 4), their validity (B, P), and its two losses."""

    def __init__(self, channels: int = PYRAMID_CHANNELS) -> None:
        super().__init__()
        self.anchors = AnchorGrid(STRIDES, scales=(8,), ratios=(0.5, 1.0, 2.0))
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, self.anchors.per_cell, 1)
        self.box_deltas = nn.Conv2d(channels, self.anchors.per_cell * 4, 1)
        for conv in (self.conv, self.objectness, self.box_deltas):
            init_normal(conv, std=0.01)
        self.coder = BoxCoder()

    def forward(
        self, pyramid: Sequence[Tensor], image_size: ImageSize, targets: DetectionTargets
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        objectness, deltas = self._outputs(pyramid)
        anchors = self.anchors(pyramid)
        kept = self._propose_all(objectness, deltas, anchors, targets.sizes(image_size), PROPOSALS)
        inside = None
        if targets.valid_sizes is not None:
            inside = [self.anchors.inside(pyramid, size) for size in targets.valid_sizes]
        losses = self._losses(torch.cat(objectness, 1), torch.cat(deltas, 1), torch.cat(anchors), targets, inside)
        proposals, valid = (torch.stack(parts) for parts in zip(*kept, strict=True))
        return proposals, valid, losses

    @torch.no_grad()
    def predict(self, pyramid: Sequence[Tensor], sizes: Sequence[ImageSize]) -> list[Tensor]:
        """Proposals (P_b, 4) of each image, by falling score, inside the given sizes."""
        objectness, deltas = self._outputs(pyramid)
        kept = self._propose_all(objectness, deltas, self.anchors(pyramid), sizes, TEST_PROPOSALS)
        return [proposals[valid] for proposals, valid in kept]

    def _outputs(self, pyramid: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        objectness, deltas = [], []
        for feature in pyramid:
            x = F.relu(self.conv(feature), inplace=True)
            objectness.append(self.objectness(x).permute(0, 2, 3, 1).flatten(1))  # (B, H*W*A)
            deltas.append(self.box_deltas(x).permute(0, 2, 3, 1).reshape(len(x), -1, 4))  # (B, H*W*A, 4)
        return objectness, deltas

    @torch.no_grad()
    def _propose_all(
        self,
        objectness: list[Tensor],
        deltas: list[Tensor],
        anchors: list[Tensor],
        sizes: Sequence[ImageSize],
        most: int,
    ) -> list[tuple[Tensor, Tensor]]:
        """Proposals of each image, and whether they are valid, from the outputs (B, ...) and anchors of each level."""
        return [
            self._propose([level[image] for level in objectness], [level[image] for level in deltas], anchors, size,
                          most)
            for image, size in enumerate(sizes)
        ]  # fmt: skip

    def _propose(
        self,
        objectness: list[Tensor],
        deltas: list[Tensor],
        anchors: list[Tensor],
        image_size: ImageSize,
        most: int = PROPOSALS,
    ) -> tuple[Tensor, Tensor]:
        """Best proposals (P, 4) of one image, and whether they are valid (P,). P depends on the image size alone."""
        scores, boxes, levels = [], [], []
        for level, (score, delta, anchor) in enumerate(zip(objectness, deltas, anchors, strict=True)):
            score, index = score.topk(min(most, len(score)))
            decoded = self.coder.decode(delta[index], anchor[index])
            scores.append(score)
            boxes.append(clip_boxes_to_image(decoded, image_size))
            levels.append(torch.full_like(index, level))
        candidates = torch.cat(boxes)
        count = min(most, len(candidates))
        index, valid = nms_keep(candidates, torch.cat(scores), torch.cat(levels), NMS_IOU, count)
        return candidates[index], valid

    def _losses(
        self,
        objectness: Tensor,
        deltas: Tensor,
        anchors: Tensor,
        targets: DetectionTargets,
        inside: Sequence[Tensor] | None,
    ) -> dict[str, Tensor]:
        """Losses over the 256 anchors sampled per image; objectness (B, N), deltas (B, N, 4), anchors (N, 4).

        `inside` says for each image which anchors (N,) stand on it; None where all do.
        """
        class_losses, box_losses, counts = [], [], []
        for image, (score, delta, boxes) in enumerate(zip(objectness, deltas, targets.boxes, strict=True)):
            with torch.no_grad():
                matched = match_image(
                    anchors, targets, image, positive_iou=0.7, negative_iou=0.3, low_quality_iou=0.3,
                    candidates=None if inside is None else inside[image],
                )  # fmt: skip
                index, positive, valid = sample_balanced(
                    matched, torch.ones_like(matched, dtype=torch.bool), size=SAMPLE_SIZE, positive_fraction=0.5,
                    generator=targets.generator(image, SEED_USE),
                )  # fmt: skip
                target = self.coder.encode(boxes[matched[index].clamp(min=0)], anchors[index])
            class_loss = F.binary_cross_entropy_with_logits(score[index], positive.float(), reduction="none")
            box_loss = F.smooth_l1_loss(delta[index], target, beta=1 / 9, reduction="none").sum(-1)
            class_losses.append((class_loss * valid).sum())
            box_losses.append((box_loss * positive).sum())
            counts.append(valid.sum())
        count = mean_over_processes(torch.stack(counts).sum())
        return {
            "rpn_objectness": torch.stack(class_losses).sum() / count,
            "rpn_box": torch.stack(box_losses).sum() / count,
        }
