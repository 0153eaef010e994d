"""What torchvision's operators allocate besides their results, and what they compute and move, by arithmetic."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.ops import DeformConv2d, batched_nms

from drystep import simulate
from drystep.cuda.torchvision_operators import FP32_OPERATORS, WORK, register_torchvision
from drystep.operators import Work, registered
from drystep.simulator import trace_steps

OPS = torch.ops.torchvision


@pytest.mark.parametrize(("batch", "together"), [(2, 2), (32, 32), (66, 22), (37, 1)])
def test_buffers_of_deformable_convolutions(batch: int, together: int) -> None:
    """Patches of as many images as divide the batch, at most 32."""

    def build(device: torch.device):
        layer = DeformConv2d(8, 16, 3, padding=1).to(device)
        images = torch.empty(batch, 8, 10, 12, device=device)
        offsets = torch.empty(batch, 2 * 9, 10, 12, device=device)
        return lambda: layer(images, offsets).sum().backward()

    trace = simulate(build).trace
    *_, forward, backward = (a.requested_bytes for a in trace.allocations if a.category == "workspace")
    patches = 8 * 9 * together * 10 * 12
    assert forward == 4 * (2 * batch * 16 * 10 * 12 + patches)
    assert backward == 4 * (batch * 16 * 10 * 12 + patches)


def _work(func: Any, *args: Any, result: Any = None) -> Work:
    register_torchvision()
    stated = registered(func)
    assert stated is not None
    assert stated.work is not None
    work = stated.work(func, args, {}, func(*args) if result is None else result)
    assert work is not None
    return work


def _meta(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


def test_suppression_compares_tiles_of_64_boxes() -> None:
    """100 boxes are two groups, three tiles of 64 x 64; 10 are kept."""
    kept = torch.empty(10, dtype=torch.int64, device="meta")
    work = _work(OPS.nms.default, _meta(100, 4), _meta(100), 0.5, result=kept)
    sort = 100 * (8 + 4 + 4 * 2 * 12)
    tiles = 3 * 64 * (2 * 16 + 8)
    chosen = 10 * 2 * 8 // 2 + 400 + 3 * 80
    assert work.moved_bytes == sort + 2 * 1600 + tiles + chosen
    assert (work.items, work.blocks) == (10, 1)


@pytest.mark.parametrize(("sampling", "samples"), [(3, 9), (0, 4)])
def test_aligned_regions_read_four_values_for_each_sample(sampling: int, samples: int) -> None:
    """Two regions of 7 x 7 in 3 channels, from a map of 3 x 50 x 50."""
    images, regions = _meta(1, 3, 50, 50), _meta(2, 5)
    work = _work(OPS.roi_align.default, images, regions, 1.0, 7, 7, sampling, True)
    assert work.items == 4 * samples * 294
    assert work.moved_bytes == 4 * (min(7500, 4 * samples * 294) + 10 + 294)
    shape = (1.0, 7, 7, 1, 3, 50, 50, sampling, True)
    backward = _work(OPS._roi_align_backward.default, _meta(2, 3, 7, 7), regions, *shape)
    assert backward.moved_bytes == 4 * (294 + 10 + 7500 + 2 * min(7500, 4 * samples * 294))


def test_pooled_regions() -> None:
    images, regions = _meta(1, 3, 50, 50), _meta(2, 5)
    work = _work(OPS.roi_pool.default, images, regions, 1.0, 7, 7)
    assert work.moved_bytes == 4 * (7500 + 10 + 2 * 294)
    places = torch.empty(2, 3, 7, 7, dtype=torch.int32, device="meta")
    backward = _work(OPS._roi_pool_backward.default, _meta(2, 3, 7, 7), regions, places, 1.0, 7, 7, 1, 3, 50, 50)
    assert backward.moved_bytes == 4 * (2 * 294 + 10 + 7500 + 2 * 294)
    by_place = _work(OPS.ps_roi_align.default, _meta(1, 49, 50, 50), regions, 1.0, 7, 7, 2)
    assert by_place.items == 16 * 2 * 49


@pytest.mark.parametrize("groups", [1, 2])
def test_the_product_of_a_deformable_convolution(groups: int) -> None:
    """As many operations as a convolution of the same sizes, and twice as many backward; see the sources for passes."""
    images, filters, bias = _meta(66, 8, 10, 12), _meta(16, 8 // groups, 3, 3), _meta(16)
    offsets, mask = _meta(66, 18, 10, 12), _meta(66, 9, 10, 12)
    settings = (1, 1, 1, 1, 1, 1, groups, 1, True)
    arguments = (images, filters, offsets, mask, bias)
    work = _work(OPS.deform_conv2d.default, *arguments, *settings)
    positions = 66 * 10 * 12
    assert work.flops == 2 * positions * 16 * (8 // groups) * 9
    patches, output, batches = 72 * positions, 16 * positions, 3  # of 22 images
    read = images.numel() + offsets.numel() + mask.numel() + batches * filters.numel()
    assert work.moved_bytes == 4 * (read + 2 * patches + patches // 3 + 8 * output)
    assert work.kernels == 5 + 3 * (1 + groups)
    gradients = (images, filters, offsets, mask, bias)
    back = _work(OPS._deform_conv2d_backward.default, _meta(66, 16, 10, 12), *arguments, *settings, result=gradients)
    assert back.flops == 2 * work.flops
    moved = 7 * output + 5 * images.numel() + 5 * (offsets.numel() + mask.numel()) + 10 * filters.numel() + 7 * patches
    assert back.moved_bytes == 4 * moved


def test_casts_are_those_of_torchvision() -> None:
    """Operators with an autocast kernel run in float32; the others are not cast."""
    register_torchvision()
    for name in WORK:
        stated = registered(getattr(OPS, name).default)
        assert stated is not None
        assert stated.cast == ("float32" if name in FP32_OPERATORS else None)
    assert set(FP32_OPERATORS) <= set(WORK)


def test_boxes_of_all_classes_are_suppressed_together_as_on_a_gpu() -> None:
    """1100 boxes of 11 classes: one suppression, where a CPU by itself takes class by class."""

    def build(device: torch.device):
        boxes = torch.arange(4400.0, device=device).reshape(1100, 4)
        classes = torch.arange(1100, device=device) % 11
        return lambda: batched_nms(boxes, boxes[:, 0], classes, 0.5)

    for device in ("cpu", "meta"):
        names = [operator.name for operator in trace_steps(build, torch.device(device), iterations=1).operators]
        assert names.count("nms.default") == 1
