"""Products of groups, distances and Fourier transforms, by arithmetic."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

aten = torch.ops.aten
BF16 = torch.bfloat16


def test_groups_of_rows_of_columns_and_of_sums(count: Any, meta: Any) -> None:
    """4 groups; 64 rows, 32 summed, 16 columns in all."""
    ends = meta(4, dtype=torch.int32)
    rows = count(aten._grouped_mm.default, meta(64, 32, dtype=BF16), meta(4, 32, 16, dtype=BF16), ends)
    assert (rows.flops, rows.narrowest, rows.reduced) == (2 * 64 * 32 * 16, 16, 32)  # of (16, 32) x (32, 16)
    assert rows.moved_bytes == 2 * (64 * 32 + 4 * 32 * 16 + 64 * 16) + 4 * 4
    columns = count(aten._grouped_mm.default, meta(4, 64, 32, dtype=BF16), meta(32, 16, dtype=BF16), ends)
    assert (columns.flops, columns.narrowest) == (2 * 64 * 32 * 16, 4)  # of (64, 32) x (32, 4)
    sums = count(aten._grouped_mm.default, meta(64, 32, dtype=BF16), meta(32, 16, dtype=BF16), ends)
    assert (sums.flops, sums.reduced) == (2 * 64 * 32 * 16, 8)  # of (64, 8) x (8, 16)
    assert sums.moved_bytes == 2 * (64 * 32 + 32 * 16 + 4 * 64 * 16) + 4 * 4
    batch = count(aten._grouped_mm.default, meta(4, 64, 32, dtype=BF16), meta(4, 32, 16, dtype=BF16))
    assert (batch.flops, batch.kind, batch.group) == (4 * 2 * 64 * 32 * 16, "bmm", "grouped_mm")


def test_a_scaled_product_has_the_operations_of_pytorchs_counter(count: Any, meta: Any) -> None:
    left = meta(64, 32, dtype=torch.float8_e4m3fn)
    right = meta(16, 32, dtype=torch.float8_e4m3fn).t()
    arguments = (left, right, meta(1), meta(1), None, None, BF16)
    work = count(aten._scaled_mm.default, *arguments)
    with FlopCounterMode(display=False) as counter:
        aten._scaled_mm.default(*arguments)
    assert work.flops == counter.get_total_flops() == 2 * 64 * 32 * 16
    assert work.moved_bytes == 64 * 32 + 32 * 16 + 2 * 4 + 2 * 64 * 16
    assert (work.kind, work.dtype) == ("linear", BF16)


def test_products_of_a_batch_are_summed_into_one(count: Any, meta: Any) -> None:
    work = count(aten.addbmm.default, meta(8, 6), meta(3, 8, 10), meta(3, 10, 6))
    assert (work.flops, work.kernels) == (2 * 3 * 8 * 10 * 6, 3)
    assert work.moved_bytes == 4 * (48 + 240 + 180 + 2 * 3 * 48)


def test_a_convolution_over_time_is_a_product_for_each_step(count: Any, meta: Any) -> None:
    """10 times, 3 steps, padded by 1: the first and the last step miss one time each."""
    work = count(aten.conv_tbc.default, meta(10, 2, 4), meta(3, 4, 8), meta(8), 1, result=meta(10, 2, 8))
    rows = (9 + 10 + 9) * 2
    assert (work.flops, work.kernels) == (2 * rows * 4 * 8, 4)
    assert work.moved_bytes == 4 * (rows * (4 + 2 * 8) + 3 * 4 * 8 + 8 + 10 * 2 * 8)


def test_distances(count: Any, meta: Any) -> None:
    left, right, all_pairs = meta(10, 4), meta(20, 4), meta(10, 20)
    forward = count(aten._cdist_forward.default, left, right, 1.0, None)
    assert (forward.items, forward.moved_bytes) == (10 * 20 * 4, 4 * (40 + 80 + 200))
    backward = count(aten._cdist_backward.default, all_pairs, left, right, 1.0, all_pairs)
    assert (backward.kernels, backward.moved_bytes) == (2, 4 * (200 + 40 + 80 + 200 + 40 + 2 * 800))
    euclidean = count(aten._euclidean_dist.default, left, right)
    assert (euclidean.flops, euclidean.moved_bytes) == (2 * 200 * 6, 4 * (8 * 40 + 6 * 80 + 5 * 200))


@pytest.mark.parametrize(("normalization", "passes"), [(0, 2), (1, 3)])
def test_complex_transforms(normalization: int, passes: int, count: Any, meta: Any) -> None:
    """(4, 8, 16) along both sides: 5 n log2 n, 4 x 16 times with n = 8, 4 x 8 times with n = 16."""
    work = count(aten._fft_c2c.default, meta(4, 8, 16, dtype=torch.complex64), [1, 2], normalization, True)
    assert work.flops == 5 * 8 * 3 * 4 * 16 + 5 * 16 * 4 * 4 * 8
    assert (work.moved_bytes, work.kernels) == (passes * 2 * 8 * 4 * 8 * 16, passes)
    assert work.dtype == torch.float32


def test_real_transforms_take_half(count: Any, meta: Any) -> None:
    """(4, 8, 16) to (4, 8, 9): half of 5 n log2 n along the last side, then 9 x 4 times n = 8."""
    real, half = 4 * 4 * 8 * 16, 8 * 4 * 8 * 9
    flops = 5 * 16 * 4 * 4 * 8 // 2 + 5 * 8 * 3 * 4 * 9
    forward = count(aten._fft_r2c.default, meta(4, 8, 16), [1, 2], 0, True)
    assert (forward.flops, forward.moved_bytes) == (flops, real + half + 2 * half)
    whole = count(aten._fft_r2c.default, meta(4, 8, 16), [1, 2], 0, False)
    assert (whole.flops, whole.moved_bytes) == (flops, real + 3 * half + 2 * 8 * 4 * 8 * 7)
    back = count(aten._fft_c2r.default, meta(4, 8, 9, dtype=torch.complex64), [1, 2], 0, 16)
    assert (back.flops, back.moved_bytes) == (flops, 2 * half + 3 * half + real)
