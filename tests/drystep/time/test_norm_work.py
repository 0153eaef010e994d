"""Work of normalizations and softmax, by arithmetic."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.drystep.time.counted import META, meta, work_of_call, work_of_step

aten = torch.ops.aten
VALUES = 2 * 16 * 8 * 8
MAP_BYTES = 4 * VALUES


@pytest.mark.parametrize(("layout", "blocks"), [("nchw", 16), ("nhwc", 0)])
def test_batch_norm_in_training(layout: str, blocks: int) -> None:
    """Forward reads the image twice and writes once; backward reads image and gradient twice and writes once.

    Channels first, a block of threads has one channel; channels last, they are as many as fit.
    """
    image, norm = meta(2, 16, 8, 8, grad=True, layout=layout), nn.BatchNorm2d(16, device=META)
    gradient = meta(2, 16, 8, 8, layout=layout)
    work = [each for each in work_of_step(lambda: norm(image).backward(gradient)) if "batch_norm" in each.group]
    assert [each.group for each in work] == [f"batch_norm.forward.{layout}", f"batch_norm.backward.{layout}"]
    forward, backward = work
    assert forward.moved_bytes == 3 * MAP_BYTES
    assert backward.moved_bytes == 5 * MAP_BYTES
    for each in work:
        assert (each.items, each.blocks, each.flops, each.kernels) == (VALUES, blocks, 0, 1)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_batch_norm_in_inference_reads_once(layout: str) -> None:
    image, norm = meta(2, 16, 8, 8, layout=layout), nn.BatchNorm2d(16, device=META).eval()
    (work,) = work_of_step(lambda: norm(image))
    assert (work.group, work.moved_bytes) == (f"batch_norm.inference.{layout}", 2 * MAP_BYTES)
    assert (work.items, work.blocks) == (VALUES, 0)


def test_instance_norm_has_a_channel_for_each_of_each_image() -> None:
    image, norm = meta(2, 16, 8, 8), nn.InstanceNorm2d(16, device=META)
    (work,) = work_of_step(lambda: norm(image))
    assert (work.group, work.moved_bytes, work.blocks) == ("batch_norm.forward.nchw", 3 * MAP_BYTES, 2 * 16)


def test_batch_norm_without_running_statistics() -> None:
    """Here the fourth argument says whether it trains, not the sixth."""
    image, weight = meta(2, 16, 8, 8), meta(16)
    func = aten._native_batch_norm_legit.no_stats
    (work,) = work_of_call(func, image, weight, weight, True, 0.1, 0.0)
    assert (work.group, work.moved_bytes) == ("batch_norm.forward.nchw", 3 * MAP_BYTES)


def test_layer_norm_has_rows() -> None:
    norm, x = nn.LayerNorm(32, device=META), meta(4, 10, 32)
    (work,) = work_of_step(lambda: norm(x))
    assert (work.group, work.items, work.reduced) == ("layer_norm.forward", 4 * 10, 32)
    assert work.moved_bytes == 2 * x.nbytes
    norm, x = nn.LayerNorm((10, 32), device=META), meta(4, 10, 32)
    (work,) = work_of_step(lambda: norm(x))
    assert (work.items, work.reduced) == (4, 320)


@pytest.mark.parametrize(("trains", "passes"), [(False, 1), (True, 2)])
def test_layer_norm_backward_reads_once_per_kernel(trains: bool, passes: int) -> None:
    norm = nn.LayerNorm(32, device=META).requires_grad_(trains)
    x = meta(10, 32)
    statistics = meta(10, 1)
    wanted = [True, trains, trains]
    (work,) = work_of_call(
        aten.native_layer_norm_backward.default, x, x, [32], statistics, statistics, norm.weight, norm.bias, wanted
    )
    assert (work.kind, work.group, work.items) == ("layer_norm_backward", "layer_norm.backward", 10)
    assert work.moved_bytes == 1280 * (2 * passes + 1)
    assert work.kernels == passes


def test_group_norm() -> None:
    image, norm = meta(2, 16, 8, 8, grad=True), nn.GroupNorm(4, 16, device=META)
    weight = torch.ones_like(image)
    work = [each for each in work_of_step(lambda: norm(image).backward(weight)) if "group_norm" in each.group]
    assert [(each.group, each.moved_bytes, each.kernels) for each in work] == [
        ("group_norm.forward", 3 * MAP_BYTES, 2),
        ("group_norm.backward", 5 * MAP_BYTES, 3),
    ]


@pytest.mark.parametrize(("length", "filled"), [(1, 1), (32, 32), (33, 64), (49, 64), (197, 256), (1024, 1024)])
def test_softmax_fills_rows_up_to_powers_of_two(length: int, filled: int) -> None:
    x = meta(10, length)
    (forward,) = work_of_call(aten._softmax.default, x, -1, False)
    assert (forward.kind, forward.group, forward.items) == ("softmax", "softmax.forward", 10 * filled)
    assert (forward.moved_bytes, forward.reduced) == (2 * x.nbytes, length)
    (backward,) = work_of_call(aten._softmax_backward_data.default, x, x, -1, torch.float32)
    assert (backward.group, backward.items) == ("softmax.backward", 10 * filled)


def test_softmax_along_another_dimension() -> None:
    (work,) = work_of_call(aten._log_softmax.default, meta(3, 49, 5), 1, False)
    assert (work.items, work.reduced) == (3 * 5 * 64, 49)


def test_softmax_and_its_backward() -> None:
    """Backward writes the product of gradient and output, and reads it again."""
    x = meta(10, 32, grad=True)
    y = x.softmax(-1)
    forward = work_of_step(lambda: x.detach().softmax(-1))
    assert [(w.kind, w.moved_bytes, w.reduced) for w in forward] == [("softmax", 2 * 1280, 32)]
    (backward,) = work_of_step(lambda: aten._softmax_backward_data(y.detach(), y.detach(), -1, torch.float32))
    assert (backward.moved_bytes, backward.kernels) == (6 * 1280, 2)


def test_dropout_writes_a_mask_of_one_byte_a_value() -> None:
    x = meta(10, 32, grad=True)
    dropout = [work for work in work_of_step(lambda: F.dropout(x, 0.5)) if work.kind == "dropout"]
    assert [work.moved_bytes for work in dropout] == [10 * 32 * (4 + 4 + 1)]
