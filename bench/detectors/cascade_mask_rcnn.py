"""Cascade Mask R-CNN (Cai and Vasconcelos 2019) with mmdet's Swin settings, at fixed numbers of RoIs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image

from bench.detectors.assigners import match_boxes, sample_balanced
from bench.detectors.fixed_size_ops import roi_align_pyramid, sample_masks
from bench.detectors.fpn import FPN
from bench.detectors.roi_heads import BOX_ROI_SIZE, MASK_ROI_SIZE, MASK_SIZE, BoxHead, MaskHead, mask_loss
from bench.detectors.rpn import STRIDES, RegionProposalNetwork
from bench.detectors.targets import NO_OBJECT, DetectionTargets
from e3va.backbones.base import Backbone

POSITIVE_FRACTION = 0.25
ROI_STRIDES = STRIDES[:4]  # RoIs are cut from P2 to P5; P6 serves the RPN alone


@dataclass(frozen=True)
class CascadeStage:
    """How one stage of the cascade differs from the others."""

    iou: float
    """Overlap from which a RoI counts as an object."""
    loss_weight: float
    """Weight of the stage's losses."""
    box_weights: tuple[float, float, float, float]
    """Scale of the box deltas (inverse of mmdet's target stds)."""


STAGES = (
    CascadeStage(0.5, 1.0, (10.0, 10.0, 5.0, 5.0)),
    CascadeStage(0.6, 0.5, (20.0, 20.0, 10.0, 10.0)),
    CascadeStage(0.7, 0.25, (30.0, 30.0, 15.0, 15.0)),
)


@dataclass(frozen=True)
class SampledRois:
    """S RoIs for each of B images, flattened to N = B * S rows; positives stand first within each image."""

    boxes: Tensor
    """(N, 4)"""
    image: Tensor
    """(N,) int64, the image of each RoI."""
    labels: Tensor
    """(N,) int64, the number of classes meaning background."""
    gt_index: Tensor
    """(N,) int64, the matched object within the image; 0 where there is none."""
    positive: Tensor
    """(N,) bool"""
    valid: Tensor
    """(N,) bool, False in padding slots."""
    is_gt: Tensor
    """(N,) bool, True for ground-truth boxes that were added to the proposals."""
    positive_slots: Tensor
    """(B * P,) int64 rows that may be positive: the first P of each image."""


class CascadeMaskRCNN(nn.Module):
    """Three box heads, each refining the boxes of the one before, and a mask head per stage.

    `forward(images, targets)` returns the losses of the RPN and of all stages. The backbone must return four maps of
    strides 4 to 32. Every stage works on `rois_per_image` RoIs, of which the first quarter may be positive. Without an
    object in the batch, the losses of boxes and masks are zero.
    """

    def __init__(self, backbone: Backbone, num_classes: int, rois_per_image: int = 512) -> None:
        super().__init__()
        self.rois_per_image = rois_per_image
        self.backbone = backbone
        self.neck = FPN(backbone.out_channels, extra="max_pool")
        self.rpn = RegionProposalNetwork()
        box_heads = nn.ModuleList(BoxHead(num_classes, stage.box_weights) for stage in STAGES)
        mask_heads = nn.ModuleList(MaskHead(num_classes) for _ in STAGES)
        self.box_heads, self.mask_heads = cast(Sequence[BoxHead], box_heads), cast(Sequence[MaskHead], mask_heads)
        self.num_classes = num_classes

    def forward(self, images: Tensor, targets: DetectionTargets) -> dict[str, Tensor]:
        image_size, targets = images.shape[-2:], targets.with_rows()
        pyramid = self.neck(self.backbone(images))
        boxes, valid, losses = self.rpn(pyramid, image_size, targets)
        is_gt = torch.zeros_like(valid)
        for index, stage in enumerate(STAGES):
            rois = self._sample(boxes, valid, is_gt, targets, stage.iou)
            box_losses, refined = self._box_stage(self.box_heads[index], pyramid[:4], rois, targets)
            masks = self._mask_stage(self.mask_heads[index], pyramid[:4], rois, targets)
            for name, loss in {**box_losses, "mask": masks}.items():
                losses[f"stage{index}_{name}"] = stage.loss_weight * loss
            # Ground truth that was added serves one stage only; mmdet drops it before refining.
            shape = (len(images), -1)
            boxes = clip_boxes_to_image(refined, image_size).view(*shape, 4)
            valid, is_gt = (rois.valid & ~rois.is_gt).view(shape), torch.zeros_like(rois.is_gt).view(shape)
        return losses

    @torch.no_grad()
    def _sample(
        self, boxes: Tensor, valid: Tensor, is_gt: Tensor, targets: DetectionTargets, iou: float
    ) -> SampledRois:
        """Add the ground truth to the proposals (B, M, 4), match, and draw a fixed number per image."""
        object_valid = targets.labels != NO_OBJECT  # (B, G)
        boxes, valid = torch.cat([boxes, targets.boxes], 1), torch.cat([valid, object_valid], 1)
        is_gt = torch.cat([is_gt, torch.ones_like(object_valid)], 1)
        parts = []
        for image in range(len(boxes)):
            matched = match_boxes(
                boxes[image], targets.boxes[image], object_valid[image], positive_iou=iou, negative_iou=iou
            )
            index, positive, drawn = sample_balanced(
                matched, valid[image], size=self.rois_per_image, positive_fraction=POSITIVE_FRACTION
            )
            gt_index = matched[index].clamp(min=0)
            label = torch.where(positive, targets.labels[image][gt_index], self.num_classes)
            where = torch.full_like(index, image)
            parts.append((boxes[image][index], where, label, gt_index, positive, drawn, is_gt[image][index]))
        sampled, image_index, labels, gt_index, positive, drawn, is_gt = map(torch.cat, zip(*parts, strict=True))
        slots = len(sampled) // len(boxes)
        first = torch.arange(min(int(self.rois_per_image * POSITIVE_FRACTION), slots), device=boxes.device)
        starts = torch.arange(len(boxes), device=boxes.device) * slots
        rows = (starts[:, None] + first).flatten()
        return SampledRois(sampled, image_index, labels, gt_index, positive, drawn, is_gt, positive_slots=rows)

    def _box_stage(
        self, head: BoxHead, pyramid: list[Tensor], rois: SampledRois, targets: DetectionTargets
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Losses of one box head, and its refined boxes (N, 4) without gradient."""
        roi_features = roi_align_pyramid(pyramid, _with_image(rois.boxes, rois.image), ROI_STRIDES, BOX_ROI_SIZE)
        logits, deltas = head(roi_features)
        rows = rois.positive_slots
        classes = rois.labels[rows].clamp(max=self.num_classes - 1)
        predicted = head.decode(deltas[rows], classes, rois.boxes[rows])
        gt_boxes = targets.boxes[rois.image[rows], rois.gt_index[rows]]
        losses = head.losses(logits, rois.labels, rois.valid, predicted, gt_boxes, rois.positive[rows])
        with torch.no_grad():
            # Objects are refined with their true class, background with the most likely one (mmdet).
            best = logits[:, :-1].argmax(1)
            refined = head.decode(deltas, torch.where(rois.positive, rois.labels, best), rois.boxes)
        return losses, refined

    def _mask_stage(
        self, head: MaskHead, pyramid: list[Tensor], rois: SampledRois, targets: DetectionTargets
    ) -> Tensor:
        rows = rois.positive_slots
        boxes, image = rois.boxes[rows], rois.image[rows]
        if targets.masks is None:
            raise ValueError("Cascade Mask R-CNN learns masks: targets.masks must be (B, G, H, W), not None")
        logits = head(roi_align_pyramid(pyramid, _with_image(boxes, image), ROI_STRIDES, MASK_ROI_SIZE))
        with torch.no_grad():
            all_masks = targets.masks.flatten(0, 1)  # (B * G, H, W)
            masks = sample_masks(all_masks, boxes, image * targets.masks.shape[1] + rois.gt_index[rows], MASK_SIZE)
            labels = rois.labels[rows].clamp(max=self.num_classes - 1)
        return mask_loss(logits, labels, masks, rois.positive[rows])


def _with_image(boxes: Tensor, image: Tensor) -> Tensor:  # (N, 4), (N,) -> (N, 5), as RoIAlign wants them
    return torch.cat([image[:, None].to(boxes.dtype), boxes], dim=1)
