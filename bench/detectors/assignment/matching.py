"""Matching of boxes to ground truth by overlap, in shapes that do not depend on the data."""

import torch
from torch import Tensor
from torchvision.ops import box_iou

from bench.detectors.targets import NO_OBJECT, DetectionTargets

BACKGROUND = -1
IGNORED = -2
IGNORED_SHARE = 0.5
"""Share of a box that an ignored region must cover (mmdetection's `ignore_iof_thr`) for it not to be background."""
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
    candidates: Tensor | None = None,
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

    `candidates` (N,) bool says which boxes a ground truth may be assigned to. The others are `IGNORED`, whatever they
    overlap. None means all boxes.
    """
    if 0 in (len(boxes), len(gt_boxes)):  # `max` over a dimension without elements would fail
        return _without(boxes.new_full((len(boxes),), BACKGROUND, dtype=torch.int64), candidates)
    best_iou = boxes.new_full((len(boxes),), -1.0)
    best_gt = torch.full_like(best_iou, BACKGROUND, dtype=torch.int64)
    last = best_gt
    for first in range(0, len(gt_boxes), at_once):
        part = slice(first, first + at_once)
        iou = box_iou(gt_boxes[part], boxes).masked_fill_(~gt_valid[part, None], -1.0)  # (g, N)
        if candidates is not None:
            iou.masked_fill_(~candidates, -1.0)
        iou_of_part, best = iou.max(dim=0)
        best_gt = torch.where(iou_of_part > best_iou, best + first, best_gt)  # the first of equals
        best_iou = torch.maximum(best_iou, iou_of_part)
        if low_quality_iou is not None:
            last = torch.maximum(last, _last_to_take(iou, low_quality_iou, first))
    matched = torch.where(best_iou >= positive_iou, best_gt, IGNORED)
    matched = matched.masked_fill(best_iou < negative_iou, BACKGROUND)
    return _without(torch.where(last >= 0, last, matched), candidates)


def _without(matched: Tensor, candidates: Tensor | None) -> Tensor:
    return matched if candidates is None else matched.masked_fill_(~candidates, IGNORED)


def _last_to_take(iou: Tensor, low_quality_iou: float, first: int) -> Tensor:
    """(N,) The last ground truth that takes each box in spite of a low overlap, or `BACKGROUND` where none does.

    iou (g, N) with the ground truths from number `first` on; that of padding is -1.
    """
    best_of_gt = iou.max(dim=1, keepdim=True).values  # (g, 1)
    takes = (iou == best_of_gt) & (best_of_gt >= low_quality_iou)  # (g, N)
    # Four bytes for each pair, as an overlap takes: computing the overlaps took more.
    order = torch.arange(first, first + len(iou), dtype=torch.int32, device=iou.device)[:, None]  # (g, 1)
    return order.where(takes, BACKGROUND).amax(dim=0)


def match_image(
    boxes: Tensor,
    targets: DetectionTargets,
    image: int,
    *,
    positive_iou: float,
    negative_iou: float,
    low_quality_iou: float | None = None,
    at_once: int = OBJECTS_AT_ONCE,
    candidates: Tensor | None = None,
    gt_valid: Tensor | None = None,
) -> Tensor:
    """Match boxes (N, 4) to the objects of one image (`match_boxes`): (N,) int64.

    `gt_valid` (G,) bool says which rows of the targets are objects, where the caller knows it already.

    What would be background is `IGNORED` where one of the image's ignored regions covers at least half of it. Unlike in
    mmdetection, a box that matches an object is learned even if it lies in such a region.
    """
    matched = match_boxes(
        boxes,
        targets.boxes[image],
        targets.labels[image] != NO_OBJECT if gt_valid is None else gt_valid,
        positive_iou=positive_iou,
        negative_iou=negative_iou,
        low_quality_iou=low_quality_iou,
        at_once=at_once,
        candidates=candidates,
    )
    if targets.ignored is None or not targets.ignored.shape[1]:
        return matched
    covered = covered_share(boxes, targets.ignored[image]) >= IGNORED_SHARE
    return matched.masked_fill_((matched == BACKGROUND) & covered, IGNORED)


def covered_share(boxes: Tensor, regions: Tensor) -> Tensor:
    """(N,) The largest share of each box (N, 4) that one of the regions (I, 4) covers; zero for a box without area.

    Empty regions cover nothing. The regions are taken one after the other, so that the memory does not depend on how
    many an image has.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    largest = torch.zeros_like(area)
    for region in regions:
        sides = boxes[:, 2:].minimum(region[2:]) - boxes[:, :2].maximum(region[:2])  # (N, 2)
        largest = largest.maximum(sides.clamp_(min=0).prod(1))
    return largest / area.clamp(min=torch.finfo(area.dtype).tiny)
