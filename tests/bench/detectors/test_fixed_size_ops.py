import pytest
import torch
from torchvision.ops import batched_nms, roi_align

from bench.detectors.fixed_size_ops import nms_keep, roi_align_pyramid, sample_masks

STRIDES = (4, 8, 16, 32)


def _boxes(count: int, size: float) -> torch.Tensor:
    corner = torch.rand(count, 2) * size * 0.5
    return torch.cat([corner, corner + torch.rand(count, 2) * size * 0.5], dim=1)


def _pyramid(requires_grad: bool = False) -> list[torch.Tensor]:
    return [torch.randn(2, 3, 256 // s, 256 // s, dtype=torch.double, requires_grad=requires_grad) for s in STRIDES]


def _rois(count: int) -> torch.Tensor:
    return torch.cat([torch.randint(2, (count, 1)), _boxes(count, 500).clamp(max=255)], dim=1).double()


@pytest.mark.parametrize("count", [5, 200])
def test_nms_keeps_what_torchvision_keeps_and_pads(count: int) -> None:
    boxes, scores, groups = _boxes(100, 50), torch.rand(100), torch.randint(3, (100,))
    expected = batched_nms(boxes, scores, groups, 0.5)[:count]
    indices, valid = nms_keep(boxes, scores, groups, 0.5, count)
    assert indices.shape == valid.shape == (count,)
    assert valid.sum() == len(expected)
    assert indices[: len(expected)].tolist() == expected.tolist()


def test_roi_align_equals_torchvision_level_by_level() -> None:
    features, rois = _pyramid(), _rois(40)
    side = ((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])).sqrt()
    output = roi_align_pyramid(features, rois, STRIDES, 7)
    # The level rises each time the side doubles, from 112 pixels on.
    levels = sum((side >= bound).long() for bound in (112, 224, 448))
    assert len(levels.unique()) > 1
    for index, (roi, level) in enumerate(zip(rois, levels.tolist(), strict=True)):
        expected = roi_align(features[level], roi[None], 7, 1 / STRIDES[level], -1, aligned=True)
        torch.testing.assert_close(output[index], expected[0])


def test_roi_align_gradient() -> None:
    features, rois = _pyramid(requires_grad=True), _rois(6)
    loss = roi_align_pyramid(features, rois, STRIDES, 2).square().sum()
    gradients = torch.autograd.grad(loss, features)
    side = ((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])).sqrt()
    levels = sum((side >= bound).long() for bound in (112, 224, 448))
    expected_loss = sum(
        roi_align(features[level], roi[None], 2, 1 / STRIDES[level], -1, aligned=True).square().sum()
        for roi, level in zip(rois, levels.tolist(), strict=True)
    )
    expected = torch.autograd.grad(expected_loss, features, materialize_grads=True)
    torch.testing.assert_close(gradients, expected)


def test_operators_pass_pytorchs_own_checks() -> None:
    boxes = _boxes(30, 50)
    torch.library.opcheck(nms_keep, (boxes, torch.rand(30), torch.zeros(30, dtype=torch.long), 0.5, 10))
    levels = torch.randint(4, (6,))
    arguments = (_pyramid(requires_grad=True), _rois(6), levels, [1 / stride for stride in STRIDES], 2)
    torch.library.opcheck(
        torch.ops.e3va_bench.roi_align_levels.default,
        arguments,
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


def test_shapes_on_meta_equal_those_on_the_cpu() -> None:
    features, rois = [f.to("meta").requires_grad_() for f in _pyramid()], _rois(6).to("meta")
    output = roi_align_pyramid(features, rois, STRIDES, 7)
    assert output.shape == (6, 3, 7, 7)
    output.sum().backward()
    assert [f.grad.shape for f in features] == [f.shape for f in features]


def test_masks_are_cut_out_as_roi_align_would() -> None:
    masks = (torch.rand(3, 40, 60) > 0.4).to(torch.uint8)
    boxes = _boxes(20, 40)
    index = torch.randint(3, (20,))
    rois = torch.cat([index[:, None].float(), boxes], dim=1)
    samples = roi_align(masks[:, None].float(), rois, 14, 1.0, sampling_ratio=2, aligned=True)[:, 0]
    clear = (samples - 0.5).abs() > 1e-4  # at one half, rounding decides
    assert clear.float().mean() > 0.9
    cut = sample_masks(masks, boxes, index, 14)
    assert torch.equal(cut[clear], (samples >= 0.5).float()[clear])


def test_boxes_beyond_the_image_read_its_border() -> None:
    masks = torch.zeros(1, 8, 8, dtype=torch.uint8)
    masks[0, :, 4:] = 1
    boxes = torch.tensor([[-20.0, -20.0, -10.0, -10.0], [20.0, 20.0, 30.0, 30.0]])
    cut = sample_masks(masks, boxes, torch.zeros(2, dtype=torch.long), 4)
    assert cut[0].sum() == 0
    assert cut[1].sum() == 16
