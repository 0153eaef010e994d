"""Inference of Cascade Mask R-CNN: the three stages by arithmetic, their last part beside torchvision's."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.roi_heads import RoIHeads

from bench.detectors.cascade_mask_rcnn import CascadeMaskRCNN
from bench.detectors.inference.detections import Detections
from e3va.backbones.swin import build_swin

CLASSES = 3
SIZE = (64, 96)


@pytest.fixture
def detector() -> CascadeMaskRCNN:
    swin = build_swin("swin_nano")
    return CascadeMaskRCNN(swin, CLASSES, rois_per_image=16, channels=16, fc_channels=32).eval()


def _answer(detector: CascadeMaskRCNN, monkeypatch, answers: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Let the box heads answer with given logits and deltas, and return the list of boxes that they will be asked."""
    asked: list[Tensor] = []

    def outputs(head, pyramid, boxes, image):
        asked.append(boxes)
        return answers[len(asked) - 1]

    monkeypatch.setattr(detector, "_box_outputs", outputs)
    return asked


def test_boxes_are_refined_as_the_most_likely_class_and_at_last_as_every_class(detector, monkeypatch) -> None:
    """Class c moves a box by c + 1 pixels; the weights of the deltas are 10, 20 and 30 for widths of 10."""
    shift = torch.zeros(1, CLASSES, 4)
    shift[0, :, 0] = torch.arange(CLASSES) + 1.0
    logits = [torch.tensor([row]) for row in ([5.0, 0.0, 0.0, 0.0], [0.0, 4.0, 0.0, 4.5], [0.0, 0.0, 1.0, 0.0])]
    asked = _answer(
        detector, monkeypatch, [(own, shift * weight) for own, weight in zip(logits, (1, 2, 3), strict=True)]
    )
    (found,) = detector._detect([], [torch.tensor([[20.0, 20.0, 30.0, 30.0]])], [(64, 96)])
    # Moved by class 0, then by class 1 although the background is likelier, then by each class.
    assert [boxes[0, 0].item() for boxes in asked] == pytest.approx([20, 21, 23])
    # The mean of the logits, not of the probabilities (mmdetection).
    scores = torch.stack(logits).mean(0).softmax(1)[0, :CLASSES]
    expected = {label: (score, 23 + label + 1) for label, score in enumerate(scores.tolist())}
    assert found.labels.tolist() == sorted(expected, key=expected.get, reverse=True)
    for box, score, label in zip(found.boxes, found.scores, found.labels.tolist(), strict=True):
        assert (score.item(), box[0].item()) == pytest.approx(expected[label])


def test_boxes_are_clipped_to_their_own_image_between_stages(detector, monkeypatch) -> None:
    right = torch.zeros(2, CLASSES, 4)
    right[..., 0] = 10.0
    logits = torch.zeros(2, CLASSES + 1)
    asked = _answer(detector, monkeypatch, [(logits, right), (logits, right * 2), (logits, right * 3)])
    proposals = [torch.tensor([[0.0, 0.0, 10.0, 10.0]]) for _ in range(2)]
    found = detector._detect([], proposals, [(64, 15), (5, 96)])
    torch.testing.assert_close(asked[1], torch.tensor([[10.0, 0.0, 15.0, 10.0], [10.0, 0.0, 20.0, 5.0]]))
    for own, (height, width) in zip(found, [(64, 15), (5, 96)], strict=True):
        assert own.boxes[:, 2].max() <= width and own.boxes[:, 3].max() <= height


def test_last_stage_selects_as_torchvision_does(detector, monkeypatch) -> None:
    """The earlier stages move nothing, and all give the same logits."""
    logits, deltas = torch.randn(200, CLASSES + 1) * 2, torch.randn(200, CLASSES, 4)
    corner = torch.rand(200, 2) * 50
    proposals = torch.cat([corner, corner + 5 + torch.rand(200, 2) * 40], 1)
    proposals[:, 2].clamp_(max=SIZE[1]), proposals[:, 3].clamp_(max=SIZE[0])
    still = torch.zeros_like(deltas)
    _answer(detector, monkeypatch, [(logits, still), (logits, still), (logits, deltas)])
    (found,) = detector._detect([], [proposals], [SIZE])
    judge = SimpleNamespace(
        box_coder=BoxCoder((30.0, 30.0, 15.0, 15.0)), score_thresh=0.05, nms_thresh=0.5, detections_per_img=100
    )
    background_first = logits.roll(1, dims=1)
    with_background = torch.cat([still[:, :1], deltas], 1).flatten(1)
    boxes, scores, labels = RoIHeads.postprocess_detections(
        judge, background_first, with_background, [proposals], [SIZE]
    )
    assert len(found.scores) == 100
    torch.testing.assert_close(found.scores, scores[0])
    torch.testing.assert_close(found.boxes, boxes[0], rtol=1e-4, atol=1e-3)
    assert torch.equal(found.labels, labels[0] - 1)


def test_masks_are_the_mean_of_the_probabilities_of_all_heads(detector) -> None:
    for number, head in enumerate(detector.mask_heads):
        torch.nn.init.zeros_(head.mask_logits.weight)
        with torch.no_grad():
            head.mask_logits.bias.copy_(torch.arange(CLASSES) - 2.0 * number)
    pyramid = [torch.randn(2, 16, SIZE[0] // stride, SIZE[1] // stride) for stride in (4, 8, 16, 32)]
    boxes = torch.tensor([[0.0, 0.0, 20.0, 20.0], [5.0, 5.0, 60.0, 50.0]])
    found = [
        Detections(boxes, torch.ones(2), torch.tensor([2, 0])),
        Detections(boxes[:1], torch.ones(1), torch.tensor([1])),
    ]
    first, second = detector._predict_masks(pyramid, found)
    expected = [torch.tensor([label, label - 2.0, label - 4.0]).sigmoid().mean() for label in (2, 0, 1)]
    for mask, value in zip([*first, *second], expected, strict=True):
        torch.testing.assert_close(mask, value.expand(28, 28))


def test_predicts_masks_at_the_original_size(detector) -> None:
    with torch.no_grad():
        for head in detector.box_heads:
            head.class_logits.weight.mul_(30)  # so that some scores are above the threshold
        for head in detector.mask_heads:
            head.mask_logits.weight.zero_()
            head.mask_logits.bias.fill_(9.0)  # every mask fills its box
    found = detector.predict(torch.randn(2, 3, *SIZE), [SIZE, (48, 90)], [(128, 192), (48, 90)])
    for own, (height, width) in zip(found, [(128, 192), (48, 90)], strict=True):
        assert len(own.scores) > 0
        assert own.masks is not None and own.masks.shape == (len(own.scores), height, width)
        assert (
            (own.boxes >= 0).all() and own.boxes[:, 2].max() <= width + 1e-3 and own.boxes[:, 3].max() <= height + 1e-3
        )
        areas = (own.boxes[:, 2:] - own.boxes[:, :2]).prod(1)
        around = (own.boxes[:, 2:] - own.boxes[:, :2] + 1).prod(1)
        pixels = own.masks.sum((1, 2))
        assert (pixels <= around).all() and pixels.sum() > 0.9 * areas.sum()


def test_images_without_detections_have_no_masks(detector) -> None:
    with torch.no_grad():
        for head in detector.box_heads:
            head.class_logits.bias[-1] = 50.0  # background
    for own in detector.predict(torch.randn(2, 3, *SIZE), [SIZE, SIZE]):
        assert own.boxes.shape == (0, 4)
        assert own.masks is not None and own.masks.shape == (0, *SIZE)
