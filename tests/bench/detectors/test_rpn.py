import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork as TorchvisionRPN
from torchvision.models.detection.rpn import RPNHead
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


def test_test_proposals_are_those_of_torchvision() -> None:
    """Of two images, one does not fill the batch. Its other levels have fewer candidates than 1000, the finest more."""
    rpn, size = RegionProposalNetwork(channels=16).eval(), (128, 192)
    for conv in (rpn.conv, rpn.objectness, rpn.box_deltas):
        torch.nn.init.normal_(conv.weight, std=0.05)
    sizes = [size, (100, 150)]
    pyramid = [torch.randn(2, 16, -(-size[0] // s), -(-size[1] // s)) for s in rpn.anchors.strides]
    anchors = AnchorGenerator(sizes=tuple((8 * s,) for s in rpn.anchors.strides), aspect_ratios=((0.5, 1.0, 2.0),) * 5)
    anchors.cell_anchors = [getattr(rpn.anchors, f"cell_{level}") for level in range(5)]  # it rounds its own
    head = RPNHead(16, 3)
    own = [rpn.conv, rpn.objectness, rpn.box_deltas]
    convs = [module for module in head.modules() if isinstance(module, torch.nn.Conv2d)]
    for theirs, source in zip(convs, own, strict=True):
        theirs.load_state_dict(source.state_dict())
    thousand = {"training": 1000, "testing": 1000}
    judge = TorchvisionRPN(anchors, head, 0.7, 0.3, 256, 0.5, thousand, thousand, nms_thresh=0.7).eval()
    judge.min_size = -1.0  # mmdetection keeps boxes without area
    features = {str(level): feature for level, feature in enumerate(pyramid)}
    with torch.no_grad():
        expected, _ = judge(ImageList(torch.zeros(2, 3, *size), sizes), features)
    for found, theirs in zip(rpn.predict(pyramid, sizes), expected, strict=True):
        assert 300 < len(found) <= 1000
        torch.testing.assert_close(found, theirs, rtol=1e-4, atol=1e-3)
