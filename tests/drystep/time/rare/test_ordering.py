"""Sorts, selections, running sums and searches, by arithmetic on what each pass reads and writes."""

from typing import Any

import pytest
import torch

aten = torch.ops.aten


def test_short_rows_are_sorted_where_they_are_written(count: Any, meta: Any) -> None:
    """Per value: 8 bytes numbered, 4 + 4 copied, 12 + 12 sorted; and a row of numbers is written and read."""
    work = count(aten.sort.default, meta(6, 100))
    assert work.moved_bytes == 600 * (8 + 8 + 24) + 2 * 100 * 8
    assert (work.group, work.items, work.blocks) == ("sort", 600, 6)


@pytest.mark.parametrize(
    ("dtype", "digits", "key_bytes"), [(torch.float32, 4, 4), (torch.float16, 2, 2), (torch.int64, 8, 8)]
)
def test_one_long_row_is_radix_sorted(dtype: torch.dtype, digits: int, key_bytes: int, count: Any, meta: Any) -> None:
    """A digit for each byte of the key; keys are read once for all counts."""
    work = count(aten.sort.stable, meta(10_000, dtype=dtype), stable=True)
    assert work.moved_bytes == 10_000 * (8 + key_bytes + digits * 2 * (key_bytes + 8))
    assert (work.kernels, work.blocks) == (2 + digits, 0)


def test_some_long_rows_are_sorted_together_then_by_row(count: Any, meta: Any) -> None:
    """50 rows need 6 bits, one digit of 8-byte keys without values."""
    work = count(aten.sort.default, meta(50, 10_000))
    assert work.moved_bytes == 500_000 * (8 + (4 + 4 * 24) + (8 + 16) + 24)


def test_rows_along_another_side_and_many_long_rows(count: Any, meta: Any) -> None:
    assert count(aten.sort.default, meta(100, 6), 0) == count(aten.sort.default, meta(6, 100))
    many = count(aten.sort.default, meta(200, 10_000))
    assert many.moved_bytes == 2_000_000 * (8 + 4 * (4 + 24))


def test_the_largest_of_short_rows_by_one_block_each(count: Any, meta: Any) -> None:
    """16 digits of 2 bits and two reads more; then 5 values and places of each row are read and written."""
    work = count(aten.topk.default, meta(8, 1000), 5)
    result_bytes = 8 * 5 * 12
    assert work.moved_bytes == 18 * 8 * 1000 * 4 + result_bytes + 2 * result_bytes
    assert (work.kernels, work.blocks, work.items) == (2, 8, 8 * 1000 * 16)
    unsorted = count(aten.topk.default, meta(8, 1000), 5, -1, True, False)
    assert unsorted.moved_bytes == work.moved_bytes - 2 * result_bytes


def test_the_largest_of_long_rows_by_many_blocks(count: Any, meta: Any) -> None:
    """4 digits of 8 bits and one read more."""
    work = count(aten.topk.default, meta(8, 20_000), 5)
    assert work.moved_bytes == 5 * 8 * 20_000 * 4 + 3 * 8 * 5 * 12
    assert count(aten.topk.default, meta(8, 19_999), 5).blocks == 8
    assert count(aten.topk.default, meta(5000, 400), 5).blocks == 0


def test_medians_and_places_of_order(count: Any, meta: Any) -> None:
    table = meta(8, 1000)
    assert count(aten.kthvalue.default, table, 3).moved_bytes == 17 * 32_000 + 8 * 12
    assert count(aten.median.dim, table, 1).moved_bytes == 18 * 32_000 + 8 * 12
    assert count(aten.median.default, table).blocks == 1


def test_the_most_frequent_is_found_after_a_sort(count: Any, meta: Any) -> None:
    table = meta(8, 1000)
    mode, sort = count(aten.mode.default, table), count(aten.sort.default, table)
    assert mode.moved_bytes - sort.moved_bytes == 32_000 + 8 * 12


def test_unique_values(count: Any, meta: Any) -> None:
    values, none = meta(1000), meta(0, dtype=torch.int64)
    plain = count(aten._unique2.default, values, result=(meta(30), none, none))
    assert plain.moved_bytes == 1000 * (4 + 4 * 8) + 1000 * 4 + 30 * 4
    places = meta(1000, dtype=torch.int64)
    inverse = count(aten._unique2.default, values, True, True, result=(meta(30), places, none))
    sorted_bytes = 1000 * (8 + 4 + 4 * 24)
    assert inverse.moved_bytes == sorted_bytes + 1000 * 4 + 30 * 4 + 1000 * (4 + 48)
    runs = count(aten.unique_consecutive.default, values, result=(meta(30), none, none))
    assert runs.moved_bytes == 1000 * 4 + 30 * 4
    rows = count(aten.unique_dim.default, meta(1000, 3), 0, result=(meta(30, 3), none, none))
    assert rows.moved_bytes == 10 * (2 * 8000 + 12_000) + 2 * 360  # ten rounds for 1000 rows
    assert count(aten.unique_consecutive.default, meta(1000, 3), dim=0, result=(meta(30, 3), none, none)) == rows


def test_running_sums_read_and_write_once(count: Any, meta: Any) -> None:
    assert count(aten.cumsum.default, meta(10, 20), 1).moved_bytes == 2 * 800
    assert count(aten.cummax.default, meta(10, 20), 1).moved_bytes == 2 * 800 + 1600
    assert count(aten.cumsum.default, meta(10, 20), 1, dtype=torch.float64).moved_bytes == 800 + 1600


def test_histograms_look_for_limits_that_are_not_given(count: Any, meta: Any) -> None:
    labels, counts = meta(1000, dtype=torch.int64), meta(30, dtype=torch.int64)
    work = count(aten.bincount.default, labels, meta(1000), result=counts)
    assert (work.moved_bytes, work.items) == (3 * 8000 + 4000 + 2 * 240, 1000)
    assert count(aten.histc.default, meta(1000), 30).moved_bytes == 3 * 4000 + 2 * 120
    assert count(aten.histc.default, meta(1000), 30, 0, 5).moved_bytes == 4000 + 2 * 120


def test_searches_take_a_step_for_each_bit(count: Any, meta: Any) -> None:
    """255 boundaries make 256 places: 8 steps."""
    work = count(aten.searchsorted.Tensor, meta(255), meta(1000))
    assert (work.items, work.moved_bytes) == (8000, 255 * 4 + 4000 + 8000)
    assert count(aten.bucketize.Tensor, meta(1000), meta(255)) == work
