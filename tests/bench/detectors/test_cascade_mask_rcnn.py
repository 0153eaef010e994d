from dataclasses import replace

import pytest
import torch

from bench.detectors.cascade_mask_rcnn import CascadeMaskRCNN
from bench.detectors.targets import NO_OBJECT, DetectionTargets
from e3va.backbones.swin import build_swin

HEIGHT, WIDTH = 64, 96


@pytest.fixture
def detector(tiny_swin) -> CascadeMaskRCNN:
    return CascadeMaskRCNN(tiny_swin(), num_classes=5, rois_per_image=16)


@pytest.mark.parametrize(("backbone", "rest"), [("swin_base", 58_231_986), ("swin_large", 58_477_746)])
def test_parameters_are_those_of_mmdet(backbone: str, rest: int) -> None:
    with torch.device("meta"):
        model = CascadeMaskRCNN(build_swin(backbone, device="meta"), num_classes=80)
    counts = {name: sum(p.numel() for p in module.parameters()) for name, module in model.named_children()}
    assert counts["rpn"] == 593_935
    assert counts["box_heads"] == 46_855_347
    assert counts["mask_heads"] == 7_929_840
    assert sum(counts.values()) - counts["backbone"] == rest
    if backbone == "swin_base":
        assert sum(counts.values()) == 144_977_002


def test_losses_of_all_stages(detector, targets) -> None:
    losses = detector(torch.randn(2, 3, HEIGHT, WIDTH), targets(2, 3, HEIGHT, WIDTH, 5))
    stages = {f"stage{stage}_{name}" for stage in range(3) for name in ("class", "box", "mask")}
    assert losses.keys() == {"rpn_objectness", "rpn_box"} | stages
    assert all(loss.isfinite() and loss.ndim == 0 for loss in losses.values())


def test_every_parameter_gets_a_gradient(detector, targets) -> None:
    losses = detector(torch.randn(2, 3, HEIGHT, WIDTH), targets(2, 3, HEIGHT, WIDTH, 5))
    sum(losses.values()).backward()
    assert [name for name, p in detector.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_ground_truth_is_among_the_sampled(detector, targets) -> None:
    """With hopeless proposals, the only positives are the boxes that were added, and they match themselves."""
    truth = targets(2, 3, HEIGHT, WIDTH, 5)
    proposals = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(2, 50, 4)
    valid = torch.ones(2, 50, dtype=torch.bool)
    rois = detector._sample(proposals, valid, torch.zeros_like(valid), truth, iou=0.5)
    assert rois.boxes.shape == (32, 4)
    assert rois.positive.sum() == rois.is_gt.sum() == 6
    own = truth.boxes[rois.image[rois.positive], rois.gt_index[rois.positive]]
    torch.testing.assert_close(rois.boxes[rois.positive], own)
    assert (rois.labels[rois.positive] == truth.labels[rois.image, rois.gt_index][rois.positive]).all()
    assert (rois.labels[~rois.positive] == 5).all()
    assert rois.positive_slots.tolist() == [0, 1, 2, 3, 16, 17, 18, 19]
    assert set(rois.positive.nonzero().flatten().tolist()) <= set(rois.positive_slots.tolist())


@pytest.mark.parametrize("rows", [2, 0])
def test_a_batch_without_objects_trains_the_background_alone(detector, rows: int) -> None:
    truth = DetectionTargets(
        torch.zeros(2, rows, 4),
        torch.full((2, rows), NO_OBJECT),
        torch.zeros(2, rows, HEIGHT, WIDTH, dtype=torch.uint8),
    )
    losses = detector(torch.randn(2, 3, HEIGHT, WIDTH), truth)
    of_objects = {name for name in losses if name.endswith(("box", "mask"))}
    assert len(of_objects) == 7  # the RPN's boxes, and boxes and masks of three stages
    assert all((loss == 0) == (name in of_objects) for name, loss in losses.items())
    sum(losses.values()).backward()
    assert [name for name, p in detector.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_an_image_without_objects_may_stand_beside_one_with_objects(detector, targets) -> None:
    truth = targets(2, 3, HEIGHT, WIDTH, 5)
    truth.labels[1] = NO_OBJECT
    losses = detector(torch.randn(2, 3, HEIGHT, WIDTH), truth)
    assert all(losses[f"stage0_{name}"] > 0 for name in ("class", "box", "mask"))
    sum(losses.values()).backward()
    assert [name for name, p in detector.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_masks_are_required(detector, targets) -> None:
    truth = replace(targets(1, 2, HEIGHT, WIDTH, 5), masks=None)
    with pytest.raises(ValueError, match=r"targets.masks must be \(B, G, H, W\)"):
        detector(torch.randn(1, 3, HEIGHT, WIDTH), truth)


@pytest.mark.nightly
def test_learns_a_fixed_batch(detector, targets) -> None:
    images, truth = torch.randn(2, 3, HEIGHT, WIDTH), targets(2, 3, HEIGHT, WIDTH, 5)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=3e-4)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = sum(detector(images, truth).values())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_added_ground_truth_serves_one_stage_alone(detector, targets, monkeypatch) -> None:
    """With heads that move nothing, a stage would get the true boxes of the stage before as they are.

    With hopeless proposals these are all positives, so that every stage samples the three of each image.
    """
    for head in detector.box_heads:
        torch.nn.init.zeros_(head.box_deltas.weight)
        torch.nn.init.zeros_(head.box_deltas.bias)
    proposals = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(2, 50, 4), torch.ones(2, 50, dtype=torch.bool)
    truth, entered, sample = targets(2, 3, HEIGHT, WIDTH, 5), [], detector._sample

    def watched(boxes, valid, *rest, **options):
        entered.append((boxes, valid))
        return sample(boxes, valid, *rest, **options)

    monkeypatch.setattr(detector, "_sample", watched)
    monkeypatch.setattr(detector, "_mask_stage", lambda *_: torch.zeros(()))
    monkeypatch.setattr(detector.rpn, "forward", lambda *_: (*proposals, {}))
    detector(torch.randn(2, 3, HEIGHT, WIDTH), truth)
    assert [boxes.shape for boxes, _ in entered] == [(2, 50, 4), (2, 16, 4), (2, 16, 4)]
    for boxes, valid in entered[1:]:
        distance = (boxes[:, :, None] - truth.boxes[:, None]).abs().amax(-1)  # (B, S, G)
        is_true = (distance < 1e-2).any(-1)
        assert is_true.sum() == 2 * 3
        assert torch.equal(valid, ~is_true)


def test_objects_are_refined_as_what_they_are_and_background_as_what_it_looks_like(detector, targets) -> None:
    """Class c moves a box right by a tenth of c + 1 widths; everything looks like class 3."""
    head = detector.box_heads[0]
    for parameter in (*head.box_deltas.parameters(), *head.class_logits.parameters()):
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        head.class_logits.bias[3] = 1.0
        # Deltas are ten times the shift in widths (mmdet's target std of 0.1 in the first stage).
        head.box_deltas.bias.view(5, 4)[:, 0] = torch.arange(5) + 1.0
    truth = replace(targets(2, 3, HEIGHT, WIDTH, 5), labels=torch.tensor([[0, 1, 2], [4, 2, 0]]))
    proposals = torch.tensor([0.0, 0.0, 10.0, 10.0]).expand(2, 50, 4)
    valid = torch.ones(2, 50, dtype=torch.bool)
    rois = detector._sample(proposals, valid, torch.zeros_like(valid), truth, iou=0.99)
    assert sorted(rois.labels[rois.positive].tolist()) == [0, 0, 1, 2, 2, 4]
    pyramid = [torch.randn(2, 256, HEIGHT // stride, WIDTH // stride) for stride in (4, 8, 16, 32)]
    _, refined = detector._box_stage(head, pyramid, rois, truth)
    moved_widths = (refined - rois.boxes)[:, 0] / (rois.boxes[:, 2] - rois.boxes[:, 0])
    expected = torch.where(rois.positive, (rois.labels + 1) / 10, 0.4)
    torch.testing.assert_close(moved_widths, expected, rtol=0, atol=1e-4)
