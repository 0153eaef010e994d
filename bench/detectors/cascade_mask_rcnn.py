"""Cascade Mask R-CNN (Cai and Vasconcelos 2019) with mmdet's Swin settings, at fixed numbers of RoIs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image

from bench.detectors.assignment.matching import match_image
from bench.detectors.assignment.sampling import sample_balanced
from bench.detectors.fixed_size_ops import roi_align_pyramid, sample_masks
from bench.detectors.fpn import FPN, PYRAMID_CHANNELS
from bench.detectors.inference.detections import SCORE_THRESHOLD, Detections, best_of_each_class
from bench.detectors.inference.masks import paste_masks
from bench.detectors.roi_heads import (
    BOX_ROI_SIZE,
    FC_CHANNELS,
    MASK_ROI_SIZE,
    MASK_SIZE,
    BoxHead,
    MaskHead,
    mask_loss,
)
from bench.detectors.rpn import STRIDES, RegionProposalNetwork
from bench.detectors.targets import NO_OBJECT, DetectionTargets, ImageSize
from e3va.backbones.base import Backbone

POSITIVE_FRACTION = 0.25
SEED_USE = 1
"""Which use of an image's seed the sample of the first stage is; the RPN's comes before it."""
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
    object in the batch, the losses of boxes and masks are zero. `channels` is the width of the pyramid and of the
    convolutions of all heads, `fc_channels` that of the linear layer of the box heads.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        rois_per_image: int = 512,
        channels: int = PYRAMID_CHANNELS,
        fc_channels: int = FC_CHANNELS,
    ) -> None:
        super().__init__()
        self.rois_per_image = rois_per_image
        self.backbone = backbone
        self.neck = FPN(backbone.out_channels, extra="max_pool", channels=channels)
        self.rpn = RegionProposalNetwork(channels)
        box_heads = nn.ModuleList(BoxHead(num_classes, stage.box_weights, channels, fc_channels) for stage in STAGES)
        mask_heads = nn.ModuleList(MaskHead(num_classes, channels) for _ in STAGES)
        self.box_heads, self.mask_heads = cast(Sequence[BoxHead], box_heads), cast(Sequence[MaskHead], mask_heads)
        self.num_classes = num_classes

    def forward(self, images: Tensor, targets: DetectionTargets) -> dict[str, Tensor]:
        image_size, targets = images.shape[-2:], targets.with_rows()
        pyramid = self.neck(self.backbone(images))
        boxes, valid, losses = self.rpn(pyramid, image_size, targets)
        is_gt = torch.zeros_like(valid)
        for index, stage in enumerate(STAGES):
            rois = self._sample(boxes, valid, is_gt, targets, stage.iou, seed_use=SEED_USE + index)
            box_losses, refined = self._box_stage(self.box_heads[index], pyramid[:4], rois, targets)
            masks = self._mask_stage(self.mask_heads[index], pyramid[:4], rois, targets)
            for name, loss in {**box_losses, "mask": masks}.items():
                losses[f"stage{index}_{name}"] = stage.loss_weight * loss
            # Ground truth that was added serves one stage only; mmdet drops it before refining.
            shape = (len(images), -1)
            boxes = _clip(refined.view(*shape, 4), image_size, targets)
            valid, is_gt = (rois.valid & ~rois.is_gt).view(shape), torch.zeros_like(rois.is_gt).view(shape)
        return losses

    @torch.no_grad()
    def predict(
        self, images: Tensor, sizes: Sequence[ImageSize], original_sizes: Sequence[ImageSize] | None = None
    ) -> list[Detections]:
        """Detections of each image with their masks, in pixels of its original size.

        images (B, 3, H, W), each of the given size inside the padded batch; `original_sizes` are `sizes` by default.
        The model must be in evaluation mode.
        """
        pyramid = self.neck(self.backbone(images))
        proposals = self.rpn.predict(pyramid, sizes)
        found = self._detect(pyramid[:4], proposals, sizes)
        masks = self._predict_masks(pyramid[:4], found)
        results = []
        for own, mask, size, original_size in zip(found, masks, sizes, original_sizes or sizes, strict=True):
            scaled = own.scaled(size, original_size)
            results.append(replace(scaled, masks=paste_masks(mask, scaled.boxes, original_size)))
        return results

    def _detect(
        self, pyramid: list[Tensor], proposals: Sequence[Tensor], sizes: Sequence[ImageSize]
    ) -> list[Detections]:
        """Refine the proposals (P_b, 4) of each image by all stages, and keep the best boxes.

        As in mmdetection, the stages but the last refine a box as its most likely class. The last one refines it as
        every class, and the class logits are the mean over all stages.
        """
        counts = [len(boxes) for boxes in proposals]
        image = torch.cat([boxes.new_full((len(boxes),), index).long() for index, boxes in enumerate(proposals)])
        boxes, all_logits = list(proposals), []
        for head in self.box_heads:
            rois = torch.cat(boxes)
            logits, deltas = (output.float() for output in self._box_outputs(head, pyramid, rois, image))
            all_logits.append(logits)
            if head is not self.box_heads[-1]:
                refined = head.decode(deltas, logits[:, :-1].argmax(1), rois).split(counts)
                boxes = [clip_boxes_to_image(own, size) for own, size in zip(refined, sizes, strict=True)]
        scores = torch.stack(all_logits).mean(0).softmax(1)[:, :-1]  # (N, classes)
        every_class = self.box_heads[-1].coder.decode(deltas, rois[:, None])  # (N, classes, 4)
        found = []
        for own, score, size in zip(every_class.split(counts), scores.split(counts), sizes, strict=True):
            row, label = (score > SCORE_THRESHOLD).nonzero(as_tuple=True)
            found.append(best_of_each_class(clip_boxes_to_image(own[row, label], size), score[row, label], label))
        return found

    def _predict_masks(self, pyramid: list[Tensor], found: Sequence[Detections]) -> tuple[Tensor, ...]:
        """Probabilities (n_b, 28, 28) of the masks of each image's detections: the mean over all mask heads."""
        counts = [len(own.boxes) for own in found]
        boxes, labels = torch.cat([own.boxes for own in found]), torch.cat([own.labels for own in found])
        image = torch.cat([torch.full_like(own.labels, index) for index, own in enumerate(found)])
        logits = [self._mask_outputs(head, pyramid, boxes, image) for head in self.mask_heads]
        rows = torch.arange(len(labels), device=labels.device)
        return torch.stack([of_head[rows, labels].float().sigmoid() for of_head in logits]).mean(0).split(counts)

    @torch.no_grad()
    def _sample(
        self, boxes: Tensor, valid: Tensor, is_gt: Tensor, targets: DetectionTargets, iou: float, seed_use: int = 0
    ) -> SampledRois:
        """Add the ground truth to the proposals (B, M, 4), match, and draw a fixed number per image."""
        object_valid = targets.labels != NO_OBJECT  # (B, G)
        boxes, valid = torch.cat([boxes, targets.boxes], 1), torch.cat([valid, object_valid], 1)
        is_gt = torch.cat([is_gt, torch.ones_like(object_valid)], 1)
        parts = []
        for image in range(len(boxes)):
            matched = match_image(
                boxes[image], targets, image, positive_iou=iou, negative_iou=iou, gt_valid=object_valid[image]
            )
            index, positive, drawn = sample_balanced(
                matched,
                valid[image],
                size=self.rois_per_image,
                positive_fraction=POSITIVE_FRACTION,
                generator=targets.generator(image, seed_use),
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
        logits, deltas = self._box_outputs(head, pyramid, rois.boxes, rois.image)
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

    def _box_outputs(self, head: BoxHead, pyramid: list[Tensor], boxes: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (N, classes + 1) and deltas (N, classes, 4) of boxes (N, 4) in the images (N,) of a batch."""
        outputs: tuple[Tensor, Tensor] = head(
            roi_align_pyramid(pyramid, _with_image(boxes, image), ROI_STRIDES, BOX_ROI_SIZE)
        )
        return outputs

    def _mask_outputs(self, head: MaskHead, pyramid: list[Tensor], boxes: Tensor, image: Tensor) -> Tensor:
        """Mask logits (N, classes, 28, 28) of boxes (N, 4) in the images (N,) of a batch."""
        logits: Tensor = head(roi_align_pyramid(pyramid, _with_image(boxes, image), ROI_STRIDES, MASK_ROI_SIZE))
        return logits

    def _mask_stage(
        self, head: MaskHead, pyramid: list[Tensor], rois: SampledRois, targets: DetectionTargets
    ) -> Tensor:
        rows = rois.positive_slots
        boxes, image = rois.boxes[rows], rois.image[rows]
        if targets.masks is None:
            raise ValueError("Cascade Mask R-CNN learns masks: targets.masks must be (B, G, H, W), not None")
        logits = self._mask_outputs(head, pyramid, boxes, image)
        with torch.no_grad():
            all_masks = targets.masks.flatten(0, 1)  # (B * G, H, W)
            masks = sample_masks(all_masks, boxes, image * targets.masks.shape[1] + rois.gt_index[rows], MASK_SIZE)
            labels = rois.labels[rows].clamp(max=self.num_classes - 1)
        return mask_loss(logits, labels, masks, rois.positive[rows])


def _with_image(boxes: Tensor, image: Tensor) -> Tensor:  # (N, 4), (N,) -> (N, 5), as RoIAlign wants them
    return torch.cat([image[:, None].to(boxes.dtype), boxes], dim=1)


def _clip(boxes: Tensor, image_size: Sequence[int], targets: DetectionTargets) -> Tensor:
    """Clip boxes (B, S, 4) to the size of each image, or of the batch where every image fills it."""
    if targets.valid_sizes is None:
        return clip_boxes_to_image(boxes, image_size)
    return torch.stack([clip_boxes_to_image(own, size) for own, size in zip(boxes, targets.valid_sizes, strict=True)])
