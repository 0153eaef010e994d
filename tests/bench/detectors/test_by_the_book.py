"""What real data needs of training: images smaller than their batch, ignored regions, and seeds of images."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.detectors.assignment.matching import IGNORED
from bench.detectors.cascade_mask_rcnn import CascadeMaskRCNN
from bench.detectors.retinanet import RetinaNet
from bench.detectors.rpn import RegionProposalNetwork
from bench.detectors.targets import NO_OBJECT, DetectionTargets
from e3va.backbones.swin import build_swin

CLASSES = 3
BATCH_SIZE, VALID = (64, 128), (60, 90)  # 60 x 90 pixels are padded to 64 x 96 when they are alone


def _retinanet() -> RetinaNet:
    return RetinaNet(build_swin("swin_nano", out_stages=(1, 2, 3)), CLASSES, channels=16, tower_length=1).eval()


def _cascade() -> CascadeMaskRCNN:
    return CascadeMaskRCNN(build_swin("swin_nano"), CLASSES, rois_per_image=16, channels=16, fc_channels=32).eval()


def _pyramid(size: tuple[int, int], strides: tuple[int, ...]) -> list[Tensor]:
    return [torch.zeros(1, 16, -(-size[0] // stride), -(-size[1] // stride)) for stride in strides]


@pytest.mark.parametrize("strides", [(4, 8, 16, 32, 64), (8, 16, 32, 64, 128)])
def test_an_image_has_the_anchors_in_a_larger_batch_that_it_has_alone(strides: tuple[int, ...]) -> None:
    grid = RegionProposalNetwork(16).anchors if strides[0] == 4 else _retinanet().anchors
    assert grid.strides == strides
    alone, larger = _pyramid((64, 96), strides), _pyramid((128, 192), strides)
    kept = torch.cat(grid(larger))[grid.inside(larger, VALID)]
    assert torch.equal(kept, torch.cat(grid(alone)))
    assert grid.inside(alone, VALID).all()


def test_anchors_beyond_an_image_are_ignored(targets) -> None:
    detector = _retinanet()
    truth = targets(1, 3, *VALID, CLASSES)
    alone, larger = _pyramid((64, 96), detector.anchors.strides), _pyramid((128, 192), detector.anchors.strides)
    inside = detector.anchors.inside(larger, VALID)
    labels, deltas = detector._assign(torch.cat(detector.anchors(larger)), truth, [inside])
    expected_labels, expected_deltas = detector._assign(torch.cat(detector.anchors(alone)), truth)
    assert torch.equal(labels[:, inside], expected_labels) and torch.equal(deltas[:, inside], expected_deltas)
    assert (expected_labels >= 0).any()
    assert (labels[:, ~inside] == IGNORED).all()


def test_proposals_are_clipped_to_each_image(targets) -> None:
    truth = replace(targets(2, 3, *VALID, CLASSES), valid_sizes=(BATCH_SIZE, VALID))
    pyramid = [torch.randn(2, 16, -(-64 // stride), -(-128 // stride)) for stride in (4, 8, 16, 32, 64)]
    rpn = RegionProposalNetwork(16)
    proposals, _, _ = rpn(pyramid, BATCH_SIZE, truth)
    assert proposals[0, :, 2].max() == 128 and proposals[0, :, 3].max() == 64
    assert proposals[1, :, 2].max() == 90 and proposals[1, :, 3].max() == 60
    for found, (height, width) in zip(rpn.predict(pyramid, truth.valid_sizes), truth.valid_sizes, strict=True):
        assert found[:, 2].max() == width and found[:, 3].max() == height


def test_refined_boxes_are_clipped_to_each_image(targets, monkeypatch) -> None:
    detector, entered = _cascade(), []
    sample = detector._sample

    def watched(boxes, *rest, **options):
        entered.append(boxes)
        return sample(boxes, *rest, **options)

    monkeypatch.setattr(detector, "_sample", watched)
    for head in detector.box_heads:
        torch.nn.init.constant_(head.box_deltas.bias, 2.0)  # right, down and larger
    detector(torch.randn(2, 3, *BATCH_SIZE), replace(targets(2, 3, *VALID, CLASSES), valid_sizes=(BATCH_SIZE, VALID)))
    for boxes in entered:
        assert boxes[0, :, 2].max() == 128 and boxes[0, :, 3].max() == 64
        assert boxes[1, :, 2].max() == 90 and boxes[1, :, 3].max() == 60


@pytest.mark.parametrize("build", [_retinanet, _cascade])
def test_full_sizes_and_empty_regions_change_no_loss(build, targets) -> None:
    detector, images, truth = build(), torch.randn(2, 3, *BATCH_SIZE), targets(2, 3, *BATCH_SIZE, CLASSES)
    torch.manual_seed(1)
    plain = detector(images, truth)
    torch.manual_seed(1)
    stated = detector(images, replace(truth, valid_sizes=(BATCH_SIZE,) * 2, ignored=torch.zeros(2, 4, 4)))
    assert {name: loss.item() for name, loss in stated.items()} == {name: loss.item() for name, loss in plain.items()}


@pytest.mark.parametrize("build", [_retinanet, _cascade])
@pytest.mark.parametrize("rows", [0, 2])
def test_an_image_that_is_all_ignored_gives_finite_losses(build, rows: int) -> None:
    detector = build()
    everywhere = torch.tensor([[[-1e4, -1e4, 1e4, 1e4], [0.0, 0.0, 0.0, 0.0]]])
    masks = torch.zeros(1, rows, *BATCH_SIZE, dtype=torch.uint8)
    truth = DetectionTargets(
        torch.zeros(1, rows, 4), torch.full((1, rows), NO_OBJECT), masks, valid_sizes=(VALID,), ignored=everywhere
    )
    losses = detector(torch.randn(1, 3, *BATCH_SIZE), truth)
    assert all(loss.isfinite() for loss in losses.values())
    # There is no object, and nothing is background but RoIs without area: proposals from beyond the image.
    assert [name for name, loss in losses.items() if loss != 0 and not name.startswith("stage")] == []
    assert [name for name, loss in losses.items() if loss != 0 and not name.endswith("class")] == []
    sum(losses.values()).backward()
    assert [name for name, p in detector.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_ignored_regions_are_not_learned_as_background(targets) -> None:
    """Half of the image is ignored: the loss of background is that of the anchors that lie mostly in the other half."""
    detector = _retinanet()
    truth = targets(1, 2, *BATCH_SIZE, CLASSES)
    truth.labels[:] = NO_OBJECT
    region = torch.tensor([[[-1e4, -1e4, 64.0, 1e4]]])
    anchors = torch.cat(detector.anchors(_pyramid(BATCH_SIZE, detector.anchors.strides)))
    labels, _ = detector._assign(anchors, replace(truth, ignored=region))
    on_the_left = (64 - anchors[:, 0]) / (anchors[:, 2] - anchors[:, 0]) >= 0.5
    assert 0 < on_the_left.sum() < len(anchors)
    assert torch.equal(labels[0] == IGNORED, on_the_left)


def _losses(detector: CascadeMaskRCNN, images: Tensor, truth: DetectionTargets) -> dict[str, float]:
    return {name: loss.item() for name, loss in detector(images, truth).items()}


def test_samples_with_seeds_do_not_depend_on_the_global_generator(targets) -> None:
    detector, images = _cascade(), torch.randn(2, 3, *BATCH_SIZE)
    truth = targets(2, 3, *BATCH_SIZE, CLASSES)
    seeded = replace(truth, seeds=(5, 6))
    first, second = _losses(detector, images, seeded), _losses(detector, images, seeded)
    assert first == second
    assert _losses(detector, images, replace(truth, seeds=(5, 7))) != first
    assert _losses(detector, images, truth) != _losses(detector, images, truth)


def test_an_image_has_the_samples_alone_that_it_has_beside_others(targets, monkeypatch) -> None:
    """Also where its objects are padded to the number of another image."""
    detector = _cascade()
    truth = replace(targets(2, 3, *BATCH_SIZE, CLASSES), seeds=(5, 6))
    proposals = torch.cat([torch.rand(2, 40, 2) * 50, 60 + torch.rand(2, 40, 2) * 4], 2)
    valid = torch.ones(2, 40, dtype=torch.bool)
    alone = DetectionTargets(truth.boxes[1:], truth.labels[1:], seeds=(6,))
    padded = replace(truth, boxes=F.pad(truth.boxes, (0, 0, 0, 5)), labels=F.pad(truth.labels, (0, 5), value=NO_OBJECT))
    both = detector._sample(proposals, valid, torch.zeros_like(valid), padded, iou=0.5, seed_use=1)
    one = detector._sample(proposals[1:], valid[1:], torch.zeros_like(valid[1:]), alone, iou=0.5, seed_use=1)
    assert torch.equal(both.boxes[both.image == 1], one.boxes)
    other = detector._sample(proposals[1:], valid[1:], torch.zeros_like(valid[1:]), alone, iou=0.5, seed_use=2)
    assert not torch.equal(other.boxes, one.boxes)


def test_every_use_of_a_seed_has_its_own_generator(targets, monkeypatch) -> None:
    detector, asked = _cascade(), []
    truth = replace(targets(1, 3, *BATCH_SIZE, CLASSES), seeds=(5,))
    generator = DetectionTargets.generator

    def watched(self: DetectionTargets, image: int, use: int) -> torch.Generator | None:
        made = generator(self, image, use)
        assert made is not None
        asked.append(made.initial_seed())
        return made

    monkeypatch.setattr(DetectionTargets, "generator", watched)
    detector(torch.randn(1, 3, *BATCH_SIZE), truth)
    assert len(asked) == len(set(asked)) == 4  # the RPN's anchors and the RoIs of three stages
