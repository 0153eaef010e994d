"""Answers, from oracles, to operators whose result depends on values or that bring values to the host.

Each answer allocates what CUDA's kernel returns.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from drystep.values.oracle_lookup import OracleLookup
from drystep.values.oracles import as_item

aten = torch.ops.aten
Unique = tuple[Tensor, Tensor, Tensor]
"""Values, inverse and counts; those that were not requested are empty."""


def _nonzero(oracles: OracleLookup, func: Any, tensor: Tensor) -> Tensor:
    """Indices with one row per element, whose columns are contiguous as on CUDA and on the CPU."""
    count = oracles.rows(func, tensor.numel())
    return torch.empty((tensor.dim(), count), dtype=torch.int64, device=tensor.device).t()


def answer_nms(oracles: OracleLookup, func: Any, boxes: Tensor, *_: object) -> Tensor:
    """Indices of the boxes (N, 4) that non-maximum suppression keeps."""
    return torch.empty(oracles.rows(func, len(boxes)), dtype=torch.int64, device=boxes.device)


def _unique2(
    oracles: OracleLookup, func: Any, tensor: Tensor, sorted: bool = True, inverse: bool = False, counts: bool = False
) -> Unique:
    """Unique elements, whose storage is allocated for all elements and then resized (`cuda/Unique.cu`)."""
    size = tensor.numel()
    count = oracles.rows(func, size)
    values = torch.empty(size, dtype=tensor.dtype, device=tensor.device).resize_(count)
    return values, _indices(tensor, tensor.shape if inverse else 0), _counts(tensor, size, count, counts)


def _unique_dim(
    oracles: OracleLookup, func: Any, tensor: Tensor, dim: int, sorted: bool = True, inverse: bool = False,
    counts: bool = False,
) -> Unique:  # fmt: skip
    """Unique slices, which are selected by index with their dimension moved to the front."""
    size = tensor.shape[dim]
    count = oracles.rows(func, size)
    values = tensor.new_empty((count, *tensor.moveaxis(dim, 0).shape[1:])).moveaxis(0, dim)
    return values, _indices(tensor, size if inverse else 0), _counts(tensor, size, count, counts)


def _unique_consecutive(
    oracles: OracleLookup,
    func: Any,
    tensor: Tensor,
    inverse: bool = False,
    counts: bool = False,
    dim: int | None = None,
) -> Unique:
    if dim is None:
        return _unique2(oracles, func, tensor, True, inverse, counts)
    return _unique_dim(oracles, func, tensor, dim, True, inverse, counts)


def _indices(tensor: Tensor, shape: torch.Size | int) -> Tensor:
    return torch.empty(shape, dtype=torch.int64, device=tensor.device)


def _counts(tensor: Tensor, size: int, count: int, wanted: bool) -> Tensor:
    return _indices(tensor, size).resize_(count) if wanted else _indices(tensor, 0)


def _repeat_interleave(oracles: OracleLookup, func: Any, repeats: Tensor, *, output_size: int | None = None) -> Tensor:
    return repeats.new_empty(oracles.rows(func) if output_size is None else output_size, dtype=torch.int64)


def _bincount(
    oracles: OracleLookup, func: Any, values: Tensor, weights: Tensor | None = None, minlength: int = 0
) -> Tensor:
    dtype = torch.int64 if weights is None else torch.float32 if weights.dtype == torch.float32 else torch.float64
    return values.new_empty(max(minlength, oracles.rows(func)), dtype=dtype)


def _item(oracles: OracleLookup, func: Any, tensor: Tensor) -> float | int | bool | complex:
    return as_item(oracles.item(func, ".item(), or a tensor where Python wants a number or a condition"), tensor.dtype)


def _equal(oracles: OracleLookup, func: Any, *_: object, **__: object) -> bool:
    return bool(oracles.item(func, "a comparison of whole tensors"))


def _to_copy(oracles: OracleLookup, func: Any, tensor: Tensor, **options: Any) -> Any:
    if torch.device(options.get("device") or tensor.device).type != "cpu" or tensor.is_cpu:
        return NotImplemented
    dtype = options.get("dtype") or tensor.dtype
    return torch.full(tensor.shape, as_item(oracles.item(func, ".cpu(), .tolist() or .to('cpu')"), dtype), dtype=dtype)


def _copy(oracles: OracleLookup, func: Any, target: Tensor, source: Tensor, *_: object, **__: object) -> Any:
    if not target.is_cpu:
        return NotImplemented
    return target.fill_(as_item(oracles.item(func, "copy_ into a tensor on the CPU"), target.dtype))


Answer = Callable[..., Any]

ANSWERS: dict[Any, Answer] = {
    aten.nonzero.default: _nonzero,
    aten._unique2.default: _unique2,
    aten.unique_consecutive.default: _unique_consecutive,
    aten.unique_dim.default: _unique_dim,
    aten.repeat_interleave.Tensor: _repeat_interleave,
    aten.bincount.default: _bincount,
    aten._local_scalar_dense.default: _item,
    aten.equal.default: _equal,
    aten.allclose.default: _equal,
    aten._to_copy.default: _to_copy,
    aten.copy_.default: _copy,
}
"""Operator -> the function that returns its result, or `NotImplemented` where a call needs no value. The first
arguments are the oracles and the operator itself."""
