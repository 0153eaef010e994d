"""Losses of sequences, normalised weights and cells, by arithmetic on what is read and written."""

from typing import Any

import torch

aten = torch.ops.aten
INT64 = torch.int64


def test_the_loss_of_sequences_goes_step_by_step(count: Any, meta: Any) -> None:
    """50 steps, 4 sequences, 20 classes, 10 labels: 21 states each, a log-probability for each (no more than all)."""
    log_probs, targets = meta(50, 4, 20), meta(4, 10, dtype=INT64)
    loss, states = meta(4), meta(4, 50, 21)
    forward = count(aten._ctc_loss.default, log_probs, targets, [50] * 4, [10] * 4, result=(loss, states))
    assert forward.moved_bytes == 4 * 4000 + 8 * 40 + 4 * (4 + 4200)
    assert (forward.items, forward.blocks) == (200, 4)
    arguments = (loss, log_probs, targets, [50] * 4, [10] * 4, loss, states, 0)
    backward = count(aten._ctc_loss_backward.default, *arguments, result=log_probs)
    assert backward.moved_bytes == 4 * (3 * 4200 + 4000 + 3 * 4000) + 8 * 40


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


def test_cells_of_recurrent_layers(count: Any, meta: Any) -> None:
    """Batch 2, 8 units: two sides of four gates, the cell; two states and four gates to keep. A GRU keeps five."""
    gates, state = meta(2, 32), meta(2, 8)
    lstm = count(aten._thnn_fused_lstm_cell.default, gates, gates, state, result=(state, state, gates))
    assert (lstm.moved_bytes, lstm.group) == (4 * (2 * 64 + 16 + 2 * 16 + 64), "recurrent_cell")
    gru = count(aten._thnn_fused_gru_cell.default, meta(2, 24), meta(2, 24), state, result=(state, meta(2, 40)))
    assert gru.moved_bytes == 4 * (2 * 48 + 16 + 16 + 80)
