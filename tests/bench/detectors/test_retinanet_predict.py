"""RetinaNet's detections beside those of torchvision's RetinaNet with the same weights."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet as TorchvisionRetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.retinanet import RetinaNetHead

from bench.cases.tasks import WORKLOADS
from bench.detectors.retinanet import RetinaNet

CHANNELS, CLASSES = 16, 5
HEIGHT, WIDTH = 64, 96


class Pyramid(nn.Module):
    """Backbone and neck of ours, as torchvision wants them."""

    out_channels = CHANNELS

    def __init__(self, detector: RetinaNet) -> None:
        super().__init__()
        self.backbone, self.neck = detector.backbone, detector.neck

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return OrderedDict((str(level), x) for level, x in enumerate(self.neck(self.backbone(images))))


@pytest.fixture
def detector(tiny_swin) -> RetinaNet:
    """One whose scores vary: about one in ten pairs of an anchor and a class is above the threshold."""
    detector = RetinaNet(tiny_swin(WORKLOADS["voc"].out_stages), CLASSES, channels=CHANNELS).eval()
    for conv in (module for module in detector.head.modules() if isinstance(module, nn.Conv2d)):
        nn.init.kaiming_normal_(conv.weight)
    nn.init.normal_(detector.head.box_deltas.weight, std=0.05)
    return detector


def _torchvisions(detector: RetinaNet) -> TorchvisionRetinaNet:
    levels = len(detector.anchors.strides)
    anchors = AnchorGenerator(sizes=((8.0, 16.0, 32.0),) * levels, aspect_ratios=((0.5, 1.0, 2.0),) * levels)
    anchors.cell_anchors = [getattr(detector.anchors, f"cell_{level}") for level in range(levels)]  # it rounds its own
    head = RetinaNetHead(CHANNELS, detector.anchors.per_cell, CLASSES)
    own = detector.head
    for theirs, tower, last in (
        (head.classification_head, own.class_tower, own.class_logits),
        (head.regression_head, own.box_tower, own.box_deltas),
    ):
        convs = [module for module in theirs.modules() if isinstance(module, nn.Conv2d)]
        for conv, source in zip(convs, [*tower[::2], last], strict=True):
            conv.load_state_dict(source.state_dict())
    return TorchvisionRetinaNet(
        Pyramid(detector), CLASSES, anchor_generator=anchors, head=head,
        min_size=HEIGHT, max_size=WIDTH, image_mean=[0.0] * 3, image_std=[1.0] * 3,
        score_thresh=0.05, nms_thresh=0.5, topk_candidates=1000, detections_per_img=100,
    ).eval()  # fmt: skip


def test_detections_are_those_of_torchvision(detector) -> None:
    """With one image that fills the batch and one that does not."""
    sizes = [(HEIGHT, WIDTH), (48, WIDTH)]
    images = [torch.randn(3, *size) for size in sizes]
    batch = torch.stack([nn.functional.pad(image, (0, 0, 0, HEIGHT - image.shape[1])) for image in images])
    with torch.no_grad():
        expected = _torchvisions(detector)(images)
    for own, theirs in zip(detector.predict(batch, sizes), expected, strict=True):
        assert len(own.scores) == 100
        assert len(own.labels.unique()) > 1
        torch.testing.assert_close(own.scores, theirs["scores"])
        torch.testing.assert_close(own.boxes, theirs["boxes"], rtol=1e-4, atol=1e-3)
        assert torch.equal(own.labels, theirs["labels"])


def test_boxes_are_in_pixels_of_the_original_image(detector) -> None:
    images = torch.randn(1, 3, HEIGHT, WIDTH)
    (small,) = detector.predict(images, [(60, 90)])
    (large,) = detector.predict(images, [(60, 90)], [(600, 450)])
    torch.testing.assert_close(large.boxes, small.boxes * torch.tensor([5.0, 10.0, 5.0, 10.0]))
    assert small.boxes[:, 0::2].max() == 90 and small.boxes[:, 1::2].max() == 60  # clipped to the image's own size


def test_an_image_without_a_score_above_the_threshold_has_no_detection(detector) -> None:
    nn.init.zeros_(detector.head.class_logits.weight)  # the prior of 0.01 everywhere
    (found,) = detector.predict(torch.randn(1, 3, HEIGHT, WIDTH), [(HEIGHT, WIDTH)])
    assert found.boxes.shape == (0, 4) and len(found.labels) == 0
