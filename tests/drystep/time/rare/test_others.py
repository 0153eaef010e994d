"""Normalised weights, cells and parts of a whole, by arithmetic on what is read and written."""

from typing import Any

import torch

aten = torch.ops.aten
INT64 = torch.int64


def test_normalised_weights_are_read_twice(count: Any, meta: Any) -> None:
    direction, lengths = meta(10, 20), meta(10, 1)
    forward = count(aten._weight_norm_interface.default, direction, lengths)
    assert (forward.moved_bytes, forward.items) == (4 * (2 * 200 + 10 + 200 + 10), 10)
    arguments = (direction, direction, lengths, lengths, 0)
    backward = count(aten._weight_norm_interface_backward.default, *arguments)
    assert backward.moved_bytes == 4 * (4 * 200 + 2 * 10 + 200 + 10)


def test_norms_that_are_limited(count: Any, meta: Any) -> None:
    work = count(aten.renorm.default, meta(10, 20), 2, 0, 1.0)
    assert work.moved_bytes == 4 * (3 * 200 + 4 * 10)
    rows = count(aten.embedding_renorm_.default, meta(100, 16), meta(30, dtype=INT64), 1.0, 2.0, result=meta(100, 16))
    assert rows.moved_bytes == 30 * (8 + 8 * 16) + 2 * 240 + 3 * 30 * 64  # eight digits of keys without values


def test_what_is_read_and_written_once(count: Any, meta: Any) -> None:
    values, mask = meta(10, 20), meta(10, 20, dtype=torch.bool)
    dropout = count(aten.native_dropout_backward.default, values, mask, 2.0)
    assert (dropout.moved_bytes, dropout.kernels) == (2 * 800 + 200, 1)
    noisy = count(aten.rrelu_with_noise.default, values, values, 0.1, 0.3, True)
    assert noisy.moved_bytes == 3 * 800
    assert count(aten._fused_dropout.default, values, 0.5, result=(values, mask)).kind == "dropout"


def test_a_softmax_with_rows_that_are_masked(count: Any, meta: Any) -> None:
    """Softmax (2 passes), comparison (one and a byte), rows (a byte), choice (2 passes)."""
    assert count(aten._safe_softmax.default, meta(10, 20), 1).moved_bytes == 5 * 800 + 2 * 200


def test_cells_of_recurrent_layers(count: Any, meta: Any) -> None:
    """Batch 2, 8 units: two sides of four gates, the cell; two states and four gates to keep. A GRU keeps five."""
    gates, state = meta(2, 32), meta(2, 8)
    lstm = count(aten._thnn_fused_lstm_cell.default, gates, gates, state, result=(state, state, gates))
    assert (lstm.moved_bytes, lstm.group) == (4 * (2 * 64 + 16 + 2 * 16 + 64), "recurrent_cell")
    gru = count(aten._thnn_fused_gru_cell.default, meta(2, 24), meta(2, 24), state, result=(state, meta(2, 40)))
    assert gru.moved_bytes == 4 * (2 * 48 + 16 + 16 + 80)


def test_a_part_of_a_whole(count: Any, meta: Any) -> None:
    """The whole is zeroed, or copied, before the part is copied into it."""
    row = count(aten.select_backward.default, meta(20), [10, 20], 0, 3)
    assert (row.moved_bytes, row.kernels) == (4 * (200 + 2 * 20), 2)
    assert count(aten.diag_embed.default, meta(10)).moved_bytes == 4 * (100 + 2 * 10)
    rows = count(aten.slice_scatter.default, meta(10, 20), meta(3, 20), 0, 0, 3)
    assert (rows.moved_bytes, rows.kernels) == (4 * (2 * 200 + 2 * 60), 2)


def test_kernels(count: Any, meta: Any) -> None:
    """As many as the sources launch: a fused one, the steps of a limited norm, the digits of a sort and two more."""
    table, column = meta(10, 20), meta(10, 1)
    assert count(aten._weight_norm_interface.default, table, column).kernels == 1
    assert count(aten._weight_norm_interface_backward.default, table, table, column, column, 0).kernels == 1
    assert count(aten.renorm.default, table, 2, 0, 1.0).kernels == 3
    assert count(aten._safe_softmax.default, table, 1).kernels == 4
    indices = meta(30, dtype=INT64)
    rows = count(aten.embedding_renorm_.default, table, indices, 1.0, 2.0, result=table)
    assert (rows.kernels, rows.items) == (1 + 8 + 2, 10)
    mask = meta(10, 20, dtype=torch.bool)
    assert count(aten.native_dropout_backward.default, table, mask, 2.0).items == 200
    assert count(aten.rrelu_with_noise.default, table, table, 0.1, 0.3, True).items == 0
