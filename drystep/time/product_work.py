"""Work of matrix products and of fused attention, by PyTorch's own formulas (`torch.utils.flop_counter`)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from drystep.operators import Kind, Work, precision_of
from drystep.time.tensors import bytes_of, bytes_of_all, padded

aten = torch.ops.aten
SIDE_TILE, REDUCED_TILE = 64, 32
"""Rows or columns, and summed values, of the smallest common tile of cuBLAS's products."""


def product(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Iterator[Work]:
    """Product of (M, K) and (K, N), or a batch of them. If there is a leading argument, the product is added to it."""
    left, right = args[-2:]
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    count = left.shape[0] if left.dim() == 3 else 1
    kind: Kind = "bmm" if left.dim() == 3 else "linear"
    moved = bytes_of(left) + bytes_of(right) + bytes_of(result) + sum(map(bytes_of, args[:-2]))
    filled = 2 * count * padded(m, SIDE_TILE) * padded(n, SIDE_TILE) * padded(k, REDUCED_TILE)
    yield Work(
        kind, flops_of(func, args, kwargs, result), moved, 1, left.dtype, min(m, k, n), k,
        tf32=torch.backends.cuda.matmul.allow_tf32,
        group=f"{kind}.{precision_of(left.dtype)}", padded_flops=filled,
    )  # fmt: skip


def attention(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """Fused attention, whose scores are never written to memory; groups of query heads may share key and value."""
    moved = bytes_of_all(list(args)) + bytes_of_all(result)
    first = 1 if func.__name__.partition(".")[0].endswith("_backward") else 0  # the output's gradient comes first
    query, key, value = args[first : first + 3]
    shared = [tensor[:, :1].expand(-1, query.shape[1], -1, -1) for tensor in (key, value)]  # PyTorch's formula wants it
    counted = (*args[:first], query, *shared, *args[first + 3 :])
    side = query.shape[-1]
    direction = "backward" if first else "forward"
    yield Work(
        "attention", flops_of(func, counted, kwargs, result), moved, 1, query.dtype, side, side,
        group=f"attention.{direction}.{precision_of(query.dtype)}",
    )  # fmt: skip


def flops_of(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> int:
    """Operations of an operator by PyTorch's formula. Raises `KeyError` for one that has none."""
    return int(flop_registry[func.overloadpacket](*args, **kwargs, out_val=result))


RULES = {
    product: frozenset({aten.mm, aten.addmm, aten.bmm, aten.baddbmm}),
    attention: frozenset({
        aten._scaled_dot_product_efficient_attention, aten._scaled_dot_product_efficient_attention_backward,
        aten._scaled_dot_product_flash_attention, aten._scaled_dot_product_flash_attention_backward,
    }),
}  # fmt: skip
"""Rule -> the operators that it counts."""
