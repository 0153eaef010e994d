"""Normalised weights, cells of recurrent layers, parts of a whole, and what reads and writes everything once."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Kind, Work, WorkRule
from drystep.time.rare.operands import INDEX_BYTES, bytes_in, first_of, name_of, operators
from drystep.time.rare.ordering import bits_of, radix_sort

FUSED_CELL, MIXED_TYPES = "recurrent_cell", "elementwise.mixed_types"
GROUPS: dict[str, tuple[Kind, str]] = {
    "_fused_dropout": ("dropout", ""),
    "native_dropout_backward": ("elementwise", MIXED_TYPES),
    "_masked_scale": ("elementwise", MIXED_TYPES),
    "rrelu_with_noise": ("elementwise", ""),
    "rrelu_with_noise_": ("elementwise", ""),
    "rrelu_with_noise_backward": ("elementwise", ""),
    "_thnn_fused_lstm_cell": ("elementwise", FUSED_CELL),
    "_thnn_fused_lstm_cell_backward_impl": ("elementwise", FUSED_CELL),
    "_thnn_fused_gru_cell": ("elementwise", FUSED_CELL),
    "_thnn_fused_gru_cell_backward": ("elementwise", FUSED_CELL),
    "_pack_padded_sequence": ("copy", ""),
    "flip": ("copy", ""),
    "tril_": ("elementwise", ""),
    "triu_": ("elementwise", ""),
    "tril": ("elementwise", ""),
    "triu": ("elementwise", ""),
}
"""Operators with one kernel that reads every argument and writes every result once -> kind and group
(`Dropout.cu`, `RreluWithNoise.cu`, `RNN.cu`, `TensorTransformations.cu` and `TriangularOps.cu` of `native/cuda`)."""


def _once(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """One kernel that reads every argument once and writes every result once; see `GROUPS`."""
    kind, group = GROUPS[name_of(func)]
    moved = bytes_in(args, list(kwargs.values()), result)
    items = first_of(result).numel() if group == MIXED_TYPES else 0
    return Work(kind, 0, moved, 1, first_of(result).dtype, group=group, items=items)


def _into_zeros(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Zeros of the whole, then a copy into a part (`select_backward_symint` in `TensorShape.cpp` and its kind)."""
    return Work("copy", 0, bytes_in(result) + 2 * bytes_in(args[0]), 2, result.dtype)


def _into_copy(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """A copy of the whole, then one into a part (`select_scatter` in `TensorShape.cpp` and its kind)."""
    whole, part = args[:2]
    return Work("copy", 0, bytes_in(whole, result) + 2 * bytes_in(part), 2, result.dtype)


def _safe_softmax(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """A softmax, and zeros where a whole row is masked (`_safe_softmax` in `SoftMax.cpp`).

    The scores are compared with minus infinity (read, a byte written each), rows are reduced (a byte read each), and
    the weights are chosen from (read, written).
    """
    moved = 2 * bytes_in(args[0]) + 3 * bytes_in(result) + 2 * args[0].numel()
    return Work("elementwise", 0, moved, 4, result.dtype)


def _weight_norm(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """One kernel that reads the direction twice, for its norms and to scale it (`cuda/WeightNorm.cu`)."""
    direction, lengths = args[:2]
    moved = 2 * bytes_in(direction) + bytes_in(lengths, result)
    return Work("elementwise", 0, moved, 1, direction.dtype, group="weight_norm", items=result[1].numel())


def _weight_norm_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """One kernel that reads gradient and direction twice: for their products by row, and for the gradients."""
    grad, direction, lengths, norms = args[:4]
    moved = 2 * bytes_in(grad, direction) + bytes_in(lengths, norms, result)
    return Work("elementwise", 0, moved, 1, direction.dtype, group="weight_norm", items=norms.numel())


def _renorm(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """The norms (a read), their factors, and a product (read, written), as `renorm_out` in `Normalization.cpp`."""
    dim = args[2]
    rows = args[0].shape[dim]
    norms = 4 * rows * torch.float32.itemsize  # the norms and the factors are each written and read
    moved = 2 * bytes_in(args[0]) + bytes_in(result) + norms
    return Work("elementwise", 0, moved, 3, result.dtype, group="renorm", items=rows)


def _embedding_renorm(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Indices are sorted and made unique, then each row is read twice and written (`cuda/Embedding.cu`).

    All rows are taken to be different, and longer than the largest norm.
    """
    table, indices = args[:2]
    count, size = indices.numel(), indices.element_size()
    rows = min(count, table.shape[0])
    sort = radix_sort(count, size, 0, bits_of(table.shape[0]) if size < INDEX_BYTES else 0)
    moved = sort.moved_bytes + 2 * count * size + 3 * rows * table.shape[1] * table.element_size()
    return Work("gather", 0, moved, sort.kernels + 2, table.dtype, group="scatter.sorted", items=rows)


RULES: dict[WorkRule, frozenset[Any]] = {
    _once: operators(" ".join(GROUPS)),
    _into_zeros: operators("select_backward diagonal_backward diag_embed"),
    _into_copy: operators("select_scatter slice_scatter diagonal_scatter as_strided_scatter"),
    _safe_softmax: operators("_safe_softmax"),
    _weight_norm: operators("_weight_norm_interface"),
    _weight_norm_backward: operators("_weight_norm_interface_backward"),
    _renorm: operators("renorm renorm_"),
    _embedding_renorm: operators("embedding_renorm_"),
}
