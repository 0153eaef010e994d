import pytest
import torch
from torchvision.ops import box_iou

from bench.detectors.fpn import PYRAMID_CHANNELS
from bench.detectors.rpn import NMS_IOU, RegionProposalNetwork
from bench.detectors.targets import NO_OBJECT, DetectionTargets

IMAGE = (64, 96)


@pytest.fixture
def pyramid() -> list[torch.Tensor]:
    return [torch.randn(2, PYRAMID_CHANNELS, -(-64 // s), -(-96 // s)) for s in (4, 8, 16, 32, 64)]


def test_proposals_are_inside_the_image_and_apart(pyramid, targets) -> None:
    proposals, valid, _ = RegionProposalNetwork()(pyramid, IMAGE, targets(2, 3, *IMAGE, 5))
    anchors = 3 * (16 * 24 + 8 * 12 + 4 * 6 + 2 * 3 + 1 * 2)
    assert proposals.shape == (2, anchors, 4)  # fewer anchors than the 2000 that are wanted at most
    assert not proposals.requires_grad
    assert (proposals >= 0).all()
    assert (proposals[..., 0::2] <= 96).all() and (proposals[..., 1::2] <= 64).all()
    kept = proposals[0][valid[0]]
    assert 0 < len(kept) < anchors


def test_proposals_of_one_level_do_not_overlap_beyond_the_bound(targets) -> None:
    rpn = RegionProposalNetwork()
    objectness = [torch.rand(300)]
    anchors = [torch.rand(300, 2).repeat(1, 2) * 30 + torch.tensor([0.0, 0.0, 30.0, 30.0])]
    proposals, valid = rpn._propose(objectness, [torch.zeros(300, 4)], anchors, (64, 64))
    overlaps = box_iou(proposals[valid], proposals[valid]).fill_diagonal_(0)
    assert 1 < valid.sum() < 300
    assert overlaps.max() <= NMS_IOU


def test_number_of_proposals_is_capped() -> None:
    with torch.device("meta"):
        rpn = RegionProposalNetwork()
        pyramid = [torch.empty(1, PYRAMID_CHANNELS, -(-800 // s), -(-1344 // s)) for s in (4, 8, 16, 32, 64)]
        truth = DetectionTargets(torch.empty(1, 3, 4), torch.empty(1, 3, dtype=torch.long))
        proposals, valid, _ = rpn(pyramid, (800, 1344), truth)
    assert proposals.shape == (1, 2000, 4)
    assert valid.shape == (1, 2000)


def test_chance_is_the_loss_of_an_undecided_network(pyramid, targets) -> None:
    rpn = RegionProposalNetwork()
    torch.nn.init.zeros_(rpn.objectness.weight)
    _, _, losses = rpn(pyramid, IMAGE, targets(2, 3, *IMAGE, 5))
    torch.testing.assert_close(losses["rpn_objectness"], torch.tensor(2.0).log())


def test_an_image_without_objects_gives_finite_losses(pyramid) -> None:
    truth = DetectionTargets(torch.zeros(2, 3, 4), torch.full((2, 3), NO_OBJECT))
    _, _, losses = RegionProposalNetwork()(pyramid, IMAGE, truth)
    assert losses["rpn_box"] == 0
    assert losses["rpn_objectness"].isfinite()
