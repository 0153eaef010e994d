import pytest
import torch

from bench.cases.tasks import WORKLOADS
from bench.detectors.retinanet import RetinaNet
from bench.detectors.targets import NO_OBJECT, DetectionTargets
from e3va.backbones.swin import build_swin


@pytest.fixture
def detector(tiny_swin) -> RetinaNet:
    return RetinaNet(tiny_swin(WORKLOADS["voc"].out_stages), num_classes=20)


def test_neck_and_head_have_the_parameters_of_mmdet() -> None:
    with torch.device("meta"):
        detector = RetinaNet(
            build_swin("swin_large", out_stages=WORKLOADS["voc"].out_stages, device="meta"), num_classes=20
        )
    count = sum(p.numel() for name, p in detector.named_parameters() if not name.startswith("backbone."))
    assert count == 11_806_936


def test_starts_with_the_focal_prior(detector, targets) -> None:
    """At p = 0.01 everywhere the loss is known but for the few positives."""
    for parameter in (detector.head.class_logits.weight,):
        torch.nn.init.zeros_(parameter)
    truth = targets(2, 3, 64, 96, 20)
    anchors = detector.anchors(detector.neck(detector.backbone(torch.zeros(2, 3, 64, 96))))
    labels, _ = detector._assign(torch.cat(anchors), truth)
    positives, considered = (labels >= 0).sum(), (labels >= -1).sum()
    p = torch.tensor(0.01)
    background_loss = 0.75 * p**2 * -(1 - p).log()
    object_loss = 0.25 * (1 - p) ** 2 * -p.log()
    expected = (positives * object_loss + (considered * 20 - positives) * background_loss) / positives
    torch.testing.assert_close(detector(torch.zeros(2, 3, 64, 96), truth)["class"], expected, rtol=1e-4, atol=0)


def test_box_loss_vanishes_for_perfect_predictions(detector, targets) -> None:
    truth = targets(1, 2, 64, 96, 20)
    anchors = detector.anchors(detector.neck(detector.backbone(torch.zeros(1, 3, 64, 96))))
    sizes = [len(level) for level in anchors]
    _, deltas = detector._assign(torch.cat(anchors), truth)
    perfect = iter(deltas.split(sizes, 1))
    forward = detector.head.forward
    detector.head.forward = lambda feature: (forward(feature)[0], next(perfect))
    assert detector(torch.zeros(1, 3, 64, 96), truth)["box"] == 0


@pytest.mark.parametrize("rows", [3, 0])
def test_a_batch_without_objects_trains_the_background_alone(detector, rows: int) -> None:
    torch.nn.init.zeros_(detector.head.class_logits.weight)
    truth = DetectionTargets(torch.zeros(2, rows, 4), torch.full((2, rows), NO_OBJECT))
    losses = detector(torch.randn(2, 3, 64, 64), truth)
    assert losses["box"] == 0
    anchors = 9 * (8 * 8 + 4 * 4 + 2 * 2 + 1 + 1)  # nine per cell of five levels, from stride 8
    p = torch.tensor(0.01)  # what every anchor starts with, for each of 20 classes
    expected = 2 * anchors * 20 * 0.75 * p**2 * -(1 - p).log()
    torch.testing.assert_close(losses["class"], expected, rtol=1e-4, atol=0)
    sum(losses.values()).backward()
    assert [name for name, p in detector.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_an_image_without_objects_adds_nothing_to_the_loss_of_boxes(detector, targets) -> None:
    images, truth = torch.randn(2, 3, 64, 64), targets(2, 3, 64, 64, 20)
    truth.labels[1] = NO_OBJECT
    alone = DetectionTargets(truth.boxes[:1], truth.labels[:1])
    both, first = detector(images, truth), detector(images[:1], alone)
    assert first["box"] > 0
    torch.testing.assert_close(both["box"], first["box"])


def test_the_losses_do_not_depend_on_how_many_objects_are_matched_at_once(tiny_swin, targets) -> None:
    detector = RetinaNet(tiny_swin(WORKLOADS["voc"].out_stages), num_classes=20).eval()
    images, truth = torch.randn(2, 3, 64, 64), targets(2, 5, 64, 64, 20)
    losses = []
    for detector.objects_at_once in (2, 5):
        losses.append({name: loss.item() for name, loss in detector(images, truth).items()})
    assert losses[0] == losses[1]


def test_learns_a_fixed_batch(detector, targets) -> None:
    images, truth = torch.randn(2, 3, 64, 64), targets(2, 3, 64, 64, 20)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = sum(detector(images, truth).values())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
