"""Assignment of targets: boxes are matched to ground truth and sampled, with output sizes known beforehand."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

BACKGROUND = -1
IGNORED = -2


def match_boxes(
    boxes: Tensor,
    gt_boxes: Tensor,
    gt_valid: Tensor,
    *,
    positive_iou: float,
    negative_iou: float,
    low_quality_iou: float | None = None,
) -> Tensor:
    """Assign to each box the ground truth that it overlaps most (max-IoU assigner of Faster R-CNN and RetinaNet).

    boxes (N, 4), gt_boxes (G, 4), gt_valid (G,) bool -> (N,) int64: the index of the ground truth where the IoU reaches
    `positive_iou`, `BACKGROUND` below `negative_iou`, `IGNORED` between. With `low_quality_iou`, the boxes that overlap
    a ground truth best become positive too, if that overlap exceeds it (torchvision's `Matcher` does the same).
    """
    iou = box_iou(gt_boxes, boxes).masked_fill(~gt_valid[:, None], -1.0)  # (G, N)
    best_iou, best_gt = iou.max(dim=0)
    matched = torch.where(best_iou >= positive_iou, best_gt, IGNORED)
    matched = matched.masked_fill(best_iou < negative_iou, BACKGROUND)
    if low_quality_iou is not None:
        best_of_gt = iou.max(dim=1, keepdim=True).values  # (G, 1)
        is_best = ((iou == best_of_gt) & (best_of_gt > low_quality_iou)).any(dim=0)
        matched = torch.where(is_best, best_gt, matched)
    return matched


class Sample(NamedTuple):
    """A fixed number S of sampled boxes, positives first."""

    chosen: Tensor
    """(S,) int64, indices into the boxes that were sampled from."""
    positive: Tensor
    """(S,) bool. Positives are in the first slots, so a slice of known size holds all of them."""
    valid: Tensor
    """(S,) bool, False in slots for which there were too few boxes."""


def sample_balanced(matched: Tensor, eligible: Tensor, *, size: int, positive_fraction: float) -> Sample:
    """Draw up to `size * positive_fraction` positives at random, and fill the sample up with background.

    matched (N,) from `match_boxes`, eligible (N,) bool. The sample has S = min(size, N) slots whatever the data is: two
    `topk` over random keys take the place of `nonzero` and `randperm` in mmdet's `RandomSampler`.
    """
    count = matched.shape[0]
    slots = min(size, count)
    key = torch.rand(count, device=matched.device)  # in [0, 1); -1 marks what must not be drawn
    positive_key = key.masked_fill(~(eligible & (matched >= 0)), -1.0)
    background_key = key.masked_fill(~(eligible & (matched == BACKGROUND)), -1.0)
    drawn_key, drawn = positive_key.topk(min(int(size * positive_fraction), slots))
    # Drawn positives precede all background. A slot that was drawn for lack of positives keeps its background key.
    priority = background_key.scatter(0, drawn, torch.where(drawn_key >= 0, drawn_key + 2.0, background_key[drawn]))
    priority, index = priority.topk(slots)
    return Sample(index, priority >= 2.0, priority >= 0.0)
