import pytest
import torch
from torchvision.ops import generalized_box_iou_loss

from bench.detectors.roi_heads import BoxHead, MaskHead, giou_loss, mask_loss

WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def _boxes(count: int) -> torch.Tensor:
    corner = torch.rand(count, 2) * 50
    return torch.cat([corner, corner + 1 + torch.rand(count, 2) * 50], dim=1)


@pytest.mark.parametrize(
    ("head", "expected"), [(lambda: BoxHead(80, WEIGHTS), 46_855_347 // 3), (lambda: MaskHead(80), 7_929_840 // 3)]
)
def test_parameters_are_those_of_mmdet(head, expected: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in head().parameters()) == expected


def test_giou_equals_torchvision_also_for_boxes_apart() -> None:
    boxes, targets = _boxes(200), _boxes(200)
    torch.testing.assert_close(giou_loss(boxes, targets), generalized_box_iou_loss(boxes, targets))
    assert (giou_loss(boxes, targets) > 1).any()  # some pairs do not touch


def test_box_losses_ignore_padding_and_slots_without_object() -> None:
    head = BoxHead(3, WEIGHTS)
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 3, 3, 3, 3])
    valid = torch.tensor([True, True, True, True, False, False])
    predicted, gt_boxes = _boxes(3), _boxes(3)
    positive = torch.tensor([True, True, False])
    losses = head.losses(logits, labels, valid, predicted, gt_boxes, positive)
    torch.testing.assert_close(losses["class"], torch.nn.functional.cross_entropy(logits[:4], labels[:4]))
    expected = 10 * generalized_box_iou_loss(predicted[:2], gt_boxes[:2], reduction="sum") / 4
    torch.testing.assert_close(losses["box"], expected)


def test_decoding_takes_the_deltas_of_the_class() -> None:
    head = BoxHead(3, WEIGHTS)
    deltas, boxes, classes = torch.randn(5, 3, 4), _boxes(5), torch.tensor([0, 2, 1, 1, 0])
    expected = torch.stack([head.coder.decode(deltas[i, c], boxes[i]) for i, c in enumerate(classes)])
    torch.testing.assert_close(head.decode(deltas, classes, boxes), expected)


def test_mask_loss_is_that_of_the_true_class_of_objects() -> None:
    logits, masks = torch.randn(3, 4, 28, 28), (torch.rand(3, 28, 28) > 0.5).float()
    labels, positive = torch.tensor([1, 3, 0]), torch.tensor([True, True, False])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.stack([logits[0, 1], logits[1, 3]]), masks[:2]
    )
    torch.testing.assert_close(mask_loss(logits, labels, masks, positive), expected)


def test_without_objects_losses_and_gradients_are_finite() -> None:
    predicted = _boxes(3).requires_grad_()
    nothing = torch.zeros(3, dtype=torch.bool)
    losses = BoxHead(3, WEIGHTS).losses(
        torch.randn(3, 4), torch.full((3,), 3), torch.ones(3, dtype=torch.bool), predicted, torch.zeros(3, 4), nothing
    )
    assert losses["box"] == 0
    losses["box"].backward()
    assert predicted.grad.isfinite().all()
