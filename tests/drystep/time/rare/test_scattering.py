"""Writes and additions at places, and choices by mask or chance, by arithmetic on what is read and written."""

from typing import Any

import torch

aten = torch.ops.aten
INT64 = torch.int64
TABLE_BYTES = 100 * 16 * 4


def test_scatters_touch_what_indices_name(count: Any, meta: Any) -> None:
    table, index, values = meta(100, 16), meta(30, 16, dtype=INT64), meta(30, 16)
    once = 480 * (8 + 4 + 4)
    assert count(aten.scatter_.src, table, 0, index, values).moved_bytes == once
    assert count(aten.scatter_.value, table, 0, index, 1.0).moved_bytes == 480 * (8 + 4)
    added = count(aten.scatter_add_.default, table, 0, index, values)
    assert (added.moved_bytes, added.kernels, added.items) == (once + 480 * 4, 1, 480)
    copied = count(aten.scatter_add.default, table, 0, index, values)
    assert (copied.moved_bytes, copied.kernels) == (added.moved_bytes + 2 * TABLE_BYTES, 2)
    alone = count(aten.scatter_reduce_.two, table, 0, index, values, "amax", include_self=False)
    assert alone.moved_bytes == added.moved_bytes + 480 * 12
    mean = count(aten.scatter_reduce_.two, table, 0, index, values, "mean")
    assert mean.moved_bytes == added.moved_bytes + 480 * 20 + 4 * TABLE_BYTES


def test_rows_by_index(count: Any, meta: Any) -> None:
    table, index, rows = meta(100, 16), meta(30, dtype=INT64), meta(30, 16)
    assert count(aten.index_add_.default, table, 0, index, rows).moved_bytes == 30 * 8 + 3 * 480 * 4
    assert count(aten.index_copy_.default, table, 0, index, rows).moved_bytes == 30 * 8 + 2 * 480 * 4
    assert count(aten.index_fill_.int_Scalar, table, 0, index, 0.0).moved_bytes == 30 * 8 + 480 * 4
    assert count(aten.index_add.default, table, 0, index, rows).moved_bytes == 240 + 3 * 1920 + 2 * TABLE_BYTES


def test_single_values(count: Any, meta: Any) -> None:
    index = meta(30, dtype=INT64)
    assert count(aten.take.default, meta(100), index).moved_bytes == 30 * (8 + 4 + 4)
    assert count(aten.put_.default, meta(100), index, meta(30)).moved_bytes == 30 * (8 + 4 + 4)
    assert count(aten.put.default, meta(100), index, meta(30), result=meta(100)).moved_bytes == 30 * 16 + 800
    assert count(aten.put_.default, meta(100), index, meta(30), True).moved_bytes == 30 * (8 + 4 + 8)


def test_index_put_writes_or_sorts(count: Any, meta: Any) -> None:
    """100 rows take 7 bits, one digit; the sort reads keys of 8 bytes, then reads and writes pairs of 16."""
    table, index, rows = meta(100, 16), meta(30, dtype=INT64), meta(30, 16)
    plain = count(aten.index_put_.default, table, [index], rows)
    assert (plain.moved_bytes, plain.kernels, plain.group) == (30 * 8 + 2 * 480 * 4, 1, "scatter")
    added = count(aten.index_put_.default, table, [index], rows, True)
    joined, numbered, sort = 30 * 32, 30 * 8, 30 * (8 + 32)
    assert added.moved_bytes == joined + numbered + sort + 30 * 16 + 3 * 480 * 4
    assert (added.items, added.group) == (480, "scatter.sorted")
    both = count(aten.index_put_.default, table, [index, index], meta(30), True)
    assert both.moved_bytes == 30 * (2 * 32 + 8 + (8 + 2 * 32) + 16 + 12)  # 1600 values take 11 bits, two digits
    inner = count(aten.index_put.default, table, [None, index], meta(100, 30))
    assert inner.moved_bytes == 30 * 8 + 2 * 3000 * 4 + 2 * TABLE_BYTES


def test_a_mask_is_turned_into_indices(count: Any, meta: Any) -> None:
    table, mask = meta(100, 16), meta(100, dtype=torch.bool)
    work = count(aten.index_put_.default, table, [mask], meta(20, 16))
    assert work.moved_bytes == 2 * 100 + 3 * 20 * 8 + 2 * 320 * 4
    everywhere = count(aten.index_put_.default, table, [mask], meta())
    assert everywhere.moved_bytes == 2 * 100 + 3 * 100 * 8 + 4 + TABLE_BYTES


def test_masked_scatter_sums_up_the_mask(count: Any, meta: Any) -> None:
    work = count(aten.masked_scatter_.default, meta(100), meta(100, dtype=torch.bool), meta(100))
    assert work.moved_bytes == 100 * (2 + 16 + 8)


def test_few_gradients_of_an_embedding_are_added_at_once(count: Any, meta: Any) -> None:
    indices = meta(30, dtype=INT64)
    work = count(aten.embedding_dense_backward.default, meta(30, 16), indices, 100, -1, False)
    assert work.moved_bytes == TABLE_BYTES + 240 + 3 * 480 * 4
    assert (work.kernels, work.group) == (2, "scatter")


def test_many_gradients_of_an_embedding_are_sorted(count: Any, meta: Any) -> None:
    """4000 indices below 300 (9 bits, two digits) make 400 parts, and 300 rows at most."""
    work = count(aten.embedding_dense_backward.default, meta(4000, 16), meta(4000, dtype=INT64), 300, -1, False)
    sort = 4000 * (8 + 8 + 2 * 32)
    sums = 4000 * (8 + 64) + 2 * 400 * 16 * 4 + 300 * 64
    assert work.moved_bytes == 300 * 64 + sort + 4000 * 16 + sums
    assert work.group == "scatter.sorted"


def test_bags_of_an_embedding(count: Any, meta: Any) -> None:
    """50 indices in 5 bags: the rows, and six passes over the bag of each index and what begins one."""
    indices, offsets = meta(50, dtype=INT64), meta(5, dtype=INT64)
    result = aten._embedding_bag.default(meta(100, 16), indices, offsets)
    work = count(aten._embedding_bag.default, meta(100, 16), indices, offsets, result=result)
    results_bytes = sum(tensor.numel() * tensor.element_size() for tensor in result)
    bags = result[1].numel() * 8
    assert work.moved_bytes == 50 * 64 + 400 + 40 + results_bytes + 3 * bags + 3 * 40
    of_weights = (meta(5, 16), meta(100, 16), indices, offsets, indices, 0)
    weights = count(aten._embedding_bag_per_sample_weights_backward.default, *of_weights, result=meta(50))
    assert weights.moved_bytes == 2 * 50 * 64 + 2 * 400 + 200
    largest = (meta(5, 16), indices, meta(50, dtype=INT64), offsets, meta(5, 16, dtype=INT64), 100, False, 2, None)
    backward = count(aten._embedding_bag_dense_backward.default, *largest)
    assert backward.moved_bytes == TABLE_BYTES + 3 * 5 * 64 + 5 * 16 * 8
    summed = count(aten._embedding_bag_dense_backward.default, *largest[:7], 0, None)
    assert summed.group == "scatter.sorted"


def test_places_of_what_is_not_zero(count: Any, meta: Any) -> None:
    flat = count(aten.nonzero.default, meta(1000), result=meta(70, 1, dtype=INT64))
    assert flat.moved_bytes == 2 * 4000 + 70 * 8
    split = count(aten.nonzero.default, meta(10, 100), result=meta(70, 2, dtype=INT64))
    assert split.moved_bytes == 2 * 4000 + 70 * 8 + 70 * 8 + 70 * 16
    chosen = count(aten.masked_select.default, meta(1000), meta(1000, dtype=torch.bool), result=meta(70))
    assert chosen.moved_bytes == 2 * 1000 + 2 * 70 * 8 + 2 * 70 * 4


def test_draws(count: Any, meta: Any) -> None:
    weights, drawn = meta(10, 100), meta(10, 3, dtype=INT64)
    assert count(aten.multinomial.default, weights, 3, result=drawn).moved_bytes == 8 * 4000 + 240
    assert count(aten.multinomial.default, weights, 3, True, result=drawn).moved_bytes == 5 * 4000 + 240


def test_a_permutation_sorts_random_keys(count: Any, meta: Any) -> None:
    """1000 numbers need keys of log2(6e6 / 1.2643) = 22.2 bits: 4 bytes, three digits."""
    work = count(aten.randperm.default, 1000, device="meta")
    assert work.moved_bytes == 1000 * (4 + 8 + (4 + 3 * 24) + 4)


def test_more_indices_than_one_kernel_takes_are_sorted(count: Any, meta: Any) -> None:
    """Up to 3072 are added at once, unless gradients are divided by how often an index occurs."""

    def group(indices: int, by_frequency: bool) -> str:
        arguments = (meta(indices, 16), meta(indices, dtype=INT64), 100, -1, by_frequency)
        return str(count(aten.embedding_dense_backward.default, *arguments).group)

    assert (group(3072, False), group(3073, False), group(3072, True)) == (
        "scatter",
        "scatter.sorted",
        "scatter.sorted",
    )


def test_a_mask_of_two_sides_is_split_into_two_indices(count: Any, meta: Any) -> None:
    """Places (8 bytes each) are written, read, split into two, and both are read."""
    mask = meta(10, 100, dtype=torch.bool)
    chosen = count(aten.masked_select.default, meta(10, 100), mask, result=meta(70))
    assert (chosen.moved_bytes, chosen.kernels) == (2 * 1000 + 70 * (8 + 8 + 16 + 16) + 2 * 70 * 4, 4)
