from functools import partial

import pytest
import torch
from torchvision.models.detection._utils import Matcher
from torchvision.ops import box_iou

from bench.detectors.assignment.matching import BACKGROUND, IGNORED, covered_share, match_boxes, match_image
from bench.detectors.targets import DetectionTargets
from drystep import simulate


def _boxes(count: int) -> torch.Tensor:
    corner = torch.rand(count, 2) * 60
    return torch.cat([corner, corner + 10 + torch.rand(count, 2) * 40], dim=1)


def test_matches_as_torchvision_does() -> None:
    boxes, gt_boxes = _boxes(300), _boxes(7)
    expected = Matcher(0.6, 0.3)(box_iou(gt_boxes, boxes))
    matched = match_boxes(
        boxes, gt_boxes, torch.ones(7, dtype=torch.bool), positive_iou=0.6, negative_iou=0.3, low_quality_iou=None
    )
    assert set(matched.tolist()) >= {BACKGROUND, IGNORED}  # the draw covers all three outcomes
    assert matched.tolist() == expected.tolist()


def _assign_by_loops(
    iou: list[list[float]], valid: list[int], positive: float, negative: float, low_quality: float | None
) -> list[int]:
    """Steps 1 to 4 of mmdetection's `MaxIoUAssigner`, one box and one ground truth after the other.

    `iou` has a list of overlaps with the boxes for each ground truth, and `valid` the ground truths that exist.
    """
    assigned = []
    for overlaps in zip(*iou, strict=True):
        best = max(valid, key=lambda gt: overlaps[gt], default=BACKGROUND)  # the first of equals
        if best == BACKGROUND or overlaps[best] < negative:
            assigned.append(BACKGROUND)
        else:
            assigned.append(best if overlaps[best] >= positive else IGNORED)
    for gt in valid if low_quality is not None else ():
        best_iou = max(iou[gt])
        if best_iou >= low_quality:
            for box, overlap in enumerate(iou[gt]):
                if overlap == best_iou:
                    assigned[box] = gt
    return assigned


@pytest.mark.parametrize("at_once", [1, 4, 100])
@pytest.mark.parametrize("low_quality", [None, 0.0, 0.25, 0.375])
def test_matches_as_mmdetection_does(low_quality: float | None, at_once: int) -> None:
    """Boxes on a coarse grid tie often and hit the bounds exactly; padding rows look like any other box."""
    taken_from_best = shared = reached = 0
    for _ in range(40):
        corners = torch.randint(6, (46, 2)).float()
        drawn = torch.cat([corners, corners + torch.randint(1, 5, (46, 2))], 1)
        boxes, gt_boxes, gt_valid = drawn[:40], drawn[40:], torch.rand(6) > 0.3
        iou = box_iou(gt_boxes, boxes)
        valid = gt_valid.nonzero().flatten().tolist()
        expected = _assign_by_loops(iou.tolist(), valid, 0.5, 0.25, low_quality)
        matched = match_boxes(
            boxes, gt_boxes, gt_valid,
            positive_iou=0.5, negative_iou=0.25, low_quality_iou=low_quality, at_once=at_once,
        )  # fmt: skip
        assert matched.tolist() == expected
        for box, gt in enumerate(expected):
            taken_from_best += gt >= 0 and any(iou[other, box] > iou[gt, box] for other in valid)
        for gt in valid:
            shared += int((iou[gt] == iou[gt].max()).sum() > 1)
            reached += iou[gt].max().item() == low_quality
    assert shared  # a ground truth that several boxes overlap best
    assert bool(taken_from_best) == (low_quality is not None)
    assert reached or low_quality in (None, 0.0)


def test_the_last_ground_truth_takes_a_box_from_the_one_that_it_overlaps_more() -> None:
    """The first box covers 10 of 10 rows of the large object and 8 of 10 with the small one; the second 4 of each."""
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 4.0]])
    large, small = [0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 8.0]  # IoU with the boxes: 1.0 and 0.4; 0.8 and 0.5
    options = {"positive_iou": 0.7, "negative_iou": 0.3}
    valid = torch.tensor([True, True])
    for gt_boxes, first in ((torch.tensor([large, small]), 0), (torch.tensor([small, large]), 1)):
        assert match_boxes(boxes, gt_boxes, valid, **options, low_quality_iou=0.3).tolist() == [1, IGNORED]
        assert match_boxes(boxes, gt_boxes, valid, **options).tolist() == [first, IGNORED]


def test_an_object_that_overlaps_no_box_takes_what_no_later_one_takes() -> None:
    """With a bound of zero, mmdetection's rule gives it all boxes: their overlap of zero is its best."""
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]])
    gt_boxes, valid = torch.tensor([[50.0, 50.0, 60.0, 60.0], [0.0, 0.0, 10.0, 8.0]]), torch.tensor([True, True])
    options = {"positive_iou": 0.5, "negative_iou": 0.4}
    assert match_boxes(boxes, gt_boxes, valid, **options, low_quality_iou=0.0).tolist() == [1, 0]
    assert match_boxes(boxes, gt_boxes, valid, **options, low_quality_iou=0.1).tolist() == [1, BACKGROUND]


@pytest.mark.parametrize("low_quality", [None, 0.0])
def test_without_ground_truth_all_is_background(low_quality: float | None) -> None:
    matched = match_boxes(
        _boxes(5),
        torch.zeros(0, 4),
        torch.zeros(0, dtype=torch.bool),
        positive_iou=0.5,
        negative_iou=0.4,
        low_quality_iou=low_quality,
    )
    assert matched.tolist() == [BACKGROUND] * 5
    assert matched.dtype == torch.int64


def test_padding_matches_nothing() -> None:
    boxes = _boxes(50)
    matched = match_boxes(
        boxes,
        boxes[:2].clone(),
        torch.tensor([False, False]),
        positive_iou=0.5,
        negative_iou=0.4,
        low_quality_iou=0.0,
    )
    assert (matched == BACKGROUND).all()


@pytest.mark.parametrize(("at_once", "pairs"), [(8, 0), (1000, 20)])
def test_further_objects_take_memory_only_where_all_are_matched_at_once(at_once: int, pairs: int) -> None:
    """Nine values of four bytes for each pair of a box and an object, as mmdetection states of its `bbox_overlaps`."""
    boxes = 1 << 18

    def peak_bytes(objects: int) -> int:
        def build_step(device: torch.device):
            anchors, gt_boxes = torch.empty(boxes, 4, device=device), torch.empty(objects, 4, device=device)
            valid = torch.ones(objects, dtype=torch.bool, device=device)
            options = {"positive_iou": 0.5, "negative_iou": 0.4, "low_quality_iou": 0.0, "at_once": at_once}
            return lambda: match_boxes(anchors, gt_boxes, valid, **options)

        return simulate(build_step).peak_allocated_bytes

    small = 4096  # what the objects' own boxes and areas take
    assert peak_bytes(40) - peak_bytes(20) == pytest.approx(36 * boxes * pairs, abs=small)


def test_low_quality_reaches_its_bound() -> None:
    anchors, gt = torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.tensor([[0.0, 0.0, 10.0, 40.0]])  # IoU 1/4
    valid, options = torch.tensor([True]), {"positive_iou": 0.7, "negative_iou": 0.3}
    assert match_boxes(anchors, gt, valid, **options, low_quality_iou=0.25).tolist() == [0]
    assert match_boxes(anchors, gt, valid, **options, low_quality_iou=0.26).tolist() == [BACKGROUND]


def test_the_share_that_a_region_covers() -> None:
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 40.0], [5.0, 5.0, 5.0, 9.0]])
    regions = torch.tensor([[0.0, 0.0, 4.0, 10.0], [-5.0, 5.0, 50.0, 30.0], [0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(covered_share(boxes, regions), torch.tensor([0.5, 0.5, 0.0]))


def test_ignored_regions_take_background_from_half_a_box_on_and_no_object() -> None:
    boxes = torch.tensor(
        [[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0], [40.0, 0.0, 50.0, 10.0], [40.0, 0.0, 50.0, 9.0]]
    )
    truth = DetectionTargets(
        torch.tensor([[[0.0, 0.0, 10.0, 10.0]]]),
        torch.tensor([[3]]),
        ignored=torch.tensor([[[0.0, 0.0, 20.0, 20.0], [40.0, 4.5, 50.0, 9.0], [0.0, 0.0, 0.0, 0.0]]]),
    )
    match = partial(match_image, targets=truth, image=0, positive_iou=0.9, negative_iou=0.9)
    assert match(boxes).tolist() == [0, IGNORED, BACKGROUND, IGNORED]
    # Beyond the image, a box is ignored whatever it overlaps.
    inside = torch.tensor([False, True, True, True])
    assert match(boxes, candidates=inside).tolist() == [IGNORED, IGNORED, BACKGROUND, IGNORED]
    lowered = match(boxes, candidates=inside, low_quality_iou=0.5)
    assert lowered.tolist() == [IGNORED, 0, BACKGROUND, IGNORED]  # the best of what may be assigned
