"""Sampling, resizing, pooling and padding of maps, by arithmetic; that every forward operator has its backward."""

from typing import Any

import pytest
import torch

from drystep.time.rare.resampling import PADS, POOLS, RESIZES
from drystep.time.rare_work import RULES

aten = torch.ops.aten
INT64 = torch.int64


@pytest.mark.parametrize(("interpolation", "taps"), [(0, 4), (1, 1), (2, 16)])
def test_a_grid_of_places(interpolation: int, taps: int, count: Any, meta: Any) -> None:
    """(2, 3, 20, 20) at 10 x 5 places."""
    images, grid = meta(2, 3, 20, 20), meta(2, 10, 5, 2)
    work = count(aten.grid_sampler_2d.default, images, grid, interpolation, 0, False)
    assert work.items == taps * 2 * 3 * 50
    assert work.moved_bytes == 4 * (min(2400, taps * 300) + 200 + 300)
    backward = (meta(2, 3, 10, 5), images, grid, interpolation, 0, False)
    both = count(aten.grid_sampler_2d_backward.default, *backward, [True, True])
    touched = min(2400, taps * 300)
    assert both.moved_bytes == 4 * (300 + 200 + 200 + touched + 2400 + 2 * touched)
    of_grid = count(aten.grid_sampler_2d_backward.default, *backward, [False, True], result=(None, grid))
    assert (of_grid.moved_bytes, of_grid.kernels) == (4 * (300 + 200 + 200 + touched), 1)


def test_a_grid_in_three_dimensions(count: Any, meta: Any) -> None:
    work = count(aten.grid_sampler_3d.default, meta(1, 2, 4, 4, 4), meta(1, 3, 3, 3, 3), 0, 0, False)
    assert work.items == 8 * 2 * 27


@pytest.mark.parametrize(
    ("name", "taps"),
    [
        ("upsample_nearest2d", 1),
        ("_upsample_nearest_exact2d", 1),
        ("upsample_bilinear2d", 4),
        ("upsample_bicubic2d", 16),
    ],
)
def test_resizing_reads_and_writes_once(name: str, taps: int, count: Any, meta: Any) -> None:
    """(1, 3, 8, 8) to (1, 3, 16, 16). Only nearest neighbours need no zeros and no atomic additions."""
    aligned = () if "nearest" in name else (False,)
    work = count(getattr(aten, name).default, meta(1, 3, 8, 8), [16, 16], *aligned)
    assert (work.moved_bytes, work.items) == (4 * (192 + 768), taps * 768)
    assert work.kind == ("elementwise" if taps == 1 else "gather")
    func = getattr(aten, f"{name}_backward").default
    backward = count(func, meta(1, 3, 16, 16), [16, 16], [1, 3, 8, 8], *aligned)
    assert backward.moved_bytes == 4 * (192 + 768 + (0 if "nearest" in name else 2 * 192))
    assert backward.group == "sampling.backward"


def test_resizing_in_one_and_three_dimensions(count: Any, meta: Any) -> None:
    assert count(aten.upsample_linear1d.default, meta(1, 3, 8), [16], False).items == 2 * 48
    assert count(aten.upsample_trilinear3d.default, meta(1, 1, 4, 4, 4), [8, 8, 8], False).items == 8 * 512


def test_antialiasing_widens_the_filter(count: Any, meta: Any) -> None:
    """16 to 4: a filter of 2 x 4 taps along each side; 4 to 16: one of 2."""
    smaller = count(aten._upsample_bilinear2d_aa.default, meta(1, 1, 16, 16), [4, 4], False)
    assert smaller.items == 8 * 8 * 16
    larger = count(aten._upsample_bilinear2d_aa.default, meta(1, 1, 4, 4), [16, 16], False)
    assert larger.items == 2 * 2 * 256


def test_adaptive_pools(count: Any, meta: Any) -> None:
    """(2, 3, 14, 14) to 7 x 7: windows of 2 x 2."""
    images, pooled, places = meta(2, 3, 14, 14), meta(2, 3, 7, 7), meta(2, 3, 7, 7, dtype=INT64)
    average = count(aten._adaptive_avg_pool2d.default, images, [7, 7])
    assert (average.moved_bytes, average.items) == (4 * (1176 + 294), 4 * 294)
    assert count(aten._adaptive_avg_pool2d_backward.default, pooled, images).moved_bytes == 4 * (294 + 3 * 1176)
    largest = count(aten.adaptive_max_pool2d.default, images, [7, 7])
    assert largest.moved_bytes == 4 * (1176 + 294) + 8 * 294
    backward = count(aten.adaptive_max_pool2d_backward.default, pooled, images, places)
    assert (backward.moved_bytes, backward.items) == (4 * (294 + 1176 + 2 * 294) + 8 * 294, 294)


def test_pools_in_three_dimensions(count: Any, meta: Any) -> None:
    """(1, 2, 8, 8, 8), windows of 2 x 2 x 2."""
    maps, pooled, places = meta(1, 2, 8, 8, 8), meta(1, 2, 4, 4, 4), meta(1, 2, 4, 4, 4, dtype=INT64)
    average = count(aten.avg_pool3d.default, maps, [2], [2])
    assert (average.moved_bytes, average.items) == (4 * (1024 + 128), 8 * 128)
    back = count(aten.avg_pool3d_backward.default, pooled, maps, [2] * 3, [2] * 3, [0] * 3, False, True, None)
    assert back.moved_bytes == 4 * (128 + 3 * 1024)
    largest = count(aten.max_pool3d_with_indices.default, maps, [2, 2, 2], [2, 2, 2])
    assert largest.moved_bytes == 4 * (1024 + 128) + 8 * 128
    window = ([2] * 3, [2] * 3, [0] * 3, [1] * 3, False)
    backward = count(aten.max_pool3d_with_indices_backward.default, pooled, maps, *window, places)
    assert backward.moved_bytes == 4 * (128 + 1024 + 2 * 128) + 8 * 128
    unpooled = count(aten.max_unpool2d.default, meta(2, 7, 7), meta(2, 7, 7, dtype=INT64), [14, 14])
    assert unpooled.moved_bytes == 4 * (98 + 98 + 392) + 8 * 98


@pytest.mark.parametrize("kind", ["reflection", "replication"])
def test_pads(kind: str, count: Any, meta: Any) -> None:
    """(1, 3, 8, 8) to (1, 3, 10, 10)."""
    images = meta(1, 3, 8, 8)
    assert count(getattr(aten, f"{kind}_pad2d").default, images, [1] * 4).moved_bytes == 4 * (192 + 300)
    backward = count(getattr(aten, f"{kind}_pad2d_backward").default, meta(1, 3, 10, 10), images, [1] * 4)
    assert (backward.moved_bytes, backward.kernels) == (4 * (300 + 3 * 192), 2)


def test_patches_as_columns(count: Any, meta: Any) -> None:
    """Five images of 3 x 8 x 8, filters of 3 x 3, padded: columns of (27, 64)."""
    window = ([3, 3], [1, 1], [1, 1], [1, 1])
    to_columns = count(aten.im2col.default, meta(5, 3, 8, 8), *window)
    assert (to_columns.moved_bytes, to_columns.kernels) == (4 * 5 * (192 + 27 * 64), 5)
    assert count(aten.im2col.default, meta(0, 3, 8, 8), *window).kernels == 1
    back = count(aten.col2im.default, meta(5, 27, 64), [8, 8], *window)
    assert (back.moved_bytes, back.kernels, back.items) == (to_columns.moved_bytes, 1, 5 * 27 * 64)
    unfolded = count(aten.unfold_backward.default, meta(4, 3), [9], 0, 3, 2)
    assert unfolded.moved_bytes == 4 * (12 + 2 * 9)


def test_shuffled_channels_are_copied(count: Any, meta: Any) -> None:
    work = count(aten.pixel_shuffle.default, meta(1, 8, 4, 4), 2)
    assert (work.kind, work.moved_bytes) == ("copy", 2 * 4 * 128)


@pytest.mark.parametrize("name", f"{RESIZES} {PADS} {POOLS}".split())
def test_each_has_its_backward(name: str) -> None:
    counted = {packet.__name__ for packets in RULES.values() for packet in packets}
    assert {name, f"{name}_backward"} <= counted
