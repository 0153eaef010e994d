"""Results of operators that depend on values or bring values to the host, once it is answered what they say.

Each answer allocates what CUDA's kernel returns.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from drystep.values.ask import Ask, Rows

aten = torch.ops.aten
Unique = tuple[Tensor, Tensor, Tensor]
"""Values, inverse and counts; those that were not requested are empty."""
INDEX_BYTES = 8


def _nonzero(ask: Ask, tensor: Tensor) -> Tensor:
    """Indices with one row per element, whose columns are contiguous as on CUDA and on the CPU."""
    rows = ask.rows(tensor, tensor.numel(), len)
    count, dims = rows.total, tensor.dim()
    result = torch.empty((dims, count), dtype=torch.int64, device=tensor.device).t()
    ask.found(result, rows.host if rows.host is not None else _first_indices(ask, tensor.shape, count), rows)
    if rows.host is None and tensor.dtype in (torch.bool, torch.uint8):
        ask.suppose(tensor, lambda: (torch.arange(tensor.numel()) < count).reshape(tensor.shape).to(tensor.dtype))
    return result


def _first_indices(ask: Ask, shape: torch.Size, count: int) -> Tensor | None:
    """Indices of the first elements, as rows, if they are small enough to be kept."""
    if not ask.keeps(count * len(shape) * INDEX_BYTES):
        return None
    if not shape:
        return torch.empty((count, 0), dtype=torch.int64)
    return torch.stack(torch.unravel_index(torch.arange(count), shape), 1)


def answer_nms(ask: Ask, boxes: Tensor, *_: object) -> Tensor:
    """Indices of the boxes (N, 4) that non-maximum suppression keeps."""
    rows = ask.rows(boxes, len(boxes), len)
    result = torch.empty(rows.total, dtype=torch.int64, device=boxes.device)
    ask.found(result, torch.arange(rows.total) if rows.host is None else rows.host, rows)
    return result


def _unique2(ask: Ask, tensor: Tensor, sorted: bool = True, inverse: bool = False, counts: bool = False) -> Unique:
    """Unique elements, whose storage is allocated for all elements and then resized (`cuda/Unique.cu`)."""
    size = tensor.numel()
    rows = ask.rows(tensor, size, lambda result: len(result[0] if isinstance(result, tuple) else result))
    values = torch.empty(size, dtype=tensor.dtype, device=tensor.device).resize_(rows.total)
    results = (
        values,
        _indices(tensor, tensor.shape if inverse else 0),
        _counts(tensor, size, rows.total, counts),
    )
    return _found_all(ask, results, rows)


def _unique_dim(
    ask: Ask, tensor: Tensor, dim: int, sorted: bool = True, inverse: bool = False, counts: bool = False
) -> Unique:
    """Unique slices, which are selected by index with their dimension moved to the front."""
    size = tensor.shape[dim]
    rows = ask.rows(tensor, size, lambda result: result[0].shape[dim])
    values = tensor.new_empty((rows.total, *tensor.moveaxis(dim, 0).shape[1:])).moveaxis(0, dim)
    results = values, _indices(tensor, size if inverse else 0), _counts(tensor, size, rows.total, counts)
    return _found_all(ask, results, rows)


def _unique_consecutive(
    ask: Ask, tensor: Tensor, inverse: bool = False, counts: bool = False, dim: int | None = None
) -> Unique:
    if dim is None:
        return _unique2(ask, tensor, True, inverse, counts)
    return _unique_dim(ask, tensor, dim, True, inverse, counts)


def _found_all(ask: Ask, results: Unique, rows: Rows) -> Unique:
    for result, value in zip(results, rows.host or (), strict=False):
        ask.found(result, value, rows)
    return results


def _indices(tensor: Tensor, shape: torch.Size | int) -> Tensor:
    return torch.empty(shape, dtype=torch.int64, device=tensor.device)


def _counts(tensor: Tensor, size: int, count: int, wanted: bool) -> Tensor:
    return _indices(tensor, size).resize_(count) if wanted else _indices(tensor, 0)


def _repeat_interleave(ask: Ask, repeats: Tensor, *, output_size: int | None = None) -> Tensor:
    """Indices that repeat each place as often as the values say; once each, where nothing else is known."""
    if output_size is not None:
        return repeats.new_empty(output_size, dtype=torch.int64)
    rows = ask.rows(repeats, None, len, fallback=repeats.numel())
    result = repeats.new_empty(rows.total, dtype=torch.int64)
    ask.found(result, rows.host, rows)
    return result


def _bincount(ask: Ask, values: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Counts of whole numbers; of as many different ones as there are values, where nothing else is known."""
    dtype = torch.int64 if weights is None else torch.float32 if weights.dtype == torch.float32 else torch.float64
    rows = ask.rows(values, None, len, fallback=minlength or values.numel())
    result = values.new_empty(max(minlength, rows.total), dtype=dtype)
    ask.found(result, rows.host, rows)
    return result


def _item(ask: Ask, tensor: Tensor) -> float | int | bool | complex:
    return ask.value(tensor, "a condition" if tensor.dtype == torch.bool else "a number, as by .item()")


def _equal(ask: Ask, *_: object, **__: object) -> bool:
    return ask.truth("equality of whole tensors")


def _to_copy(ask: Ask, tensor: Tensor, **options: Any) -> Any:
    if torch.device(options.get("device") or tensor.device).type != "cpu" or tensor.is_cpu:
        return NotImplemented
    return ask.values(tensor, options.get("dtype") or tensor.dtype, ".cpu(), .tolist() or .to('cpu')")


def _copy(ask: Ask, target: Tensor, source: Tensor, *_: object, **__: object) -> Any:
    if not target.is_cpu:
        return NotImplemented
    return target.copy_(ask.values(source, source.dtype, "copy_ into a tensor on the CPU"))


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
"""Operator -> the function that returns its result, or `NotImplemented` where a call needs no value. The first argument
answers questions about the call."""
