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
    """Assign a ground truth to each box, as mmdetection's `MaxIoUAssigner` does with `gt_max_assign_all`.

    boxes (N, 4), gt_boxes (G, 4), gt_valid (G,) bool -> (N,) int64: the index of the ground truth that the box overlaps
    most where that IoU reaches `positive_iou`, `BACKGROUND` below `negative_iou`, `IGNORED` between. Every box is
    background where no ground truth is valid.

    With `low_quality_iou` (mmdetection's `min_pos_iou` under `match_low_quality`), which must not be negative, each
    ground truth then takes all boxes that overlap it best, if that overlap reaches the bound. A box that several take
    belongs to the last of them, even if it overlaps another more. With a bound of zero, a ground truth that overlaps no
    box takes all boxes that nothing after it takes, as in mmdetection.
    """
    if 0 in (len(boxes), len(gt_boxes)):  # `max` over a dimension without elements would fail
        return boxes.new_full((len(boxes),), BACKGROUND, dtype=torch.int64)
    iou = box_iou(gt_boxes, boxes).masked_fill(~gt_valid[:, None], -1.0)  # (G, N)
    best_iou, best_gt = iou.max(dim=0)
    matched = torch.where(best_iou >= positive_iou, best_gt, IGNORED)
    matched = matched.masked_fill(best_iou < negative_iou, BACKGROUND)
    if low_quality_iou is not None:
        best_of_gt = iou.max(dim=1, keepdim=True).values  # (G, 1)
        takes = (iou == best_of_gt) & (best_of_gt >= low_quality_iou)  # (G, N); no padding, whose overlaps are -1
        # Four bytes for each pair, as an overlap takes: computing the overlaps took more.
        order = torch.arange(len(gt_boxes), dtype=torch.int32, device=boxes.device)[:, None]  # (G, 1)
        last = order.where(takes, BACKGROUND).amax(dim=0)  # (N,)
        matched = torch.where(last >= 0, last, matched)
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
