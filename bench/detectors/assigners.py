"""Assignment of targets: boxes are matched to ground truth and sampled, with output sizes known beforehand."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

BACKGROUND = -1
IGNORED = -2
OBJECTS_AT_ONCE = 8
"""Ground truths that are matched at a time: enough work for a GPU, and 55 MiB with the 201,600 anchors of RetinaNet on
800 x 1344 pixels."""


def match_boxes(
    boxes: Tensor,
    gt_boxes: Tensor,
    gt_valid: Tensor,
    *,
    positive_iou: float,
    negative_iou: float,
    low_quality_iou: float | None = None,
    at_once: int = OBJECTS_AT_ONCE,
) -> Tensor:
    """Assign a ground truth to each box, as mmdetection's `MaxIoUAssigner` does with `gt_max_assign_all`.

    boxes (N, 4), gt_boxes (G, 4), gt_valid (G,) bool -> (N,) int64: the index of the ground truth that the box overlaps
    most where that IoU reaches `positive_iou`, `BACKGROUND` below `negative_iou`, `IGNORED` between. Every box is
    background where no ground truth is valid.

    With `low_quality_iou` (mmdetection's `min_pos_iou` under `match_low_quality`), which must not be negative, each
    ground truth then takes all boxes that overlap it best, if that overlap reaches the bound. A box that several take
    belongs to the last of them, even if it overlaps another more. With a bound of zero, a ground truth that overlaps no
    box takes all boxes that nothing after it takes, as in mmdetection.

    `at_once` is how many ground truths are compared with all boxes at a time, which takes 36 bytes for each pair. With
    all of them at once, as in mmdetection, an image with many objects decides how much memory a training takes.
    """
    if 0 in (len(boxes), len(gt_boxes)):  # `max` over a dimension without elements would fail
        return boxes.new_full((len(boxes),), BACKGROUND, dtype=torch.int64)
    best_iou = boxes.new_full((len(boxes),), -1.0)
    best_gt = torch.full_like(best_iou, BACKGROUND, dtype=torch.int64)
    last = best_gt
    for first in range(0, len(gt_boxes), at_once):
        part = slice(first, first + at_once)
        iou = box_iou(gt_boxes[part], boxes).masked_fill_(~gt_valid[part, None], -1.0)  # (g, N)
        iou_of_part, best = iou.max(dim=0)
        best_gt = torch.where(iou_of_part > best_iou, best + first, best_gt)  # the first of equals
        best_iou = torch.maximum(best_iou, iou_of_part)
        if low_quality_iou is not None:
            last = torch.maximum(last, _last_to_take(iou, low_quality_iou, first))
    matched = torch.where(best_iou >= positive_iou, best_gt, IGNORED)
    matched = matched.masked_fill(best_iou < negative_iou, BACKGROUND)
    return torch.where(last >= 0, last, matched)


def _last_to_take(iou: Tensor, low_quality_iou: float, first: int) -> Tensor:
    """(N,) The last ground truth that takes each box in spite of a low overlap, or `BACKGROUND` where none does.

    iou (g, N) with the ground truths from number `first` on; that of padding is -1.
    """
    best_of_gt = iou.max(dim=1, keepdim=True).values  # (g, 1)
    takes = (iou == best_of_gt) & (best_of_gt >= low_quality_iou)  # (g, N)
    # Four bytes for each pair, as an overlap takes: computing the overlaps took more.
    order = torch.arange(first, first + len(iou), dtype=torch.int32, device=iou.device)[:, None]  # (g, 1)
    return order.where(takes, BACKGROUND).amax(dim=0)


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
