"""Work of operators that only move memory: copies, elementwise kernels, reductions, pooling, gathers, optimizers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Kind, Work
from drystep.time.rare.operands import named
from drystep.time.tensors import bytes_of, bytes_of_all, layout_of, same_order, tensors_in
from drystep.torch_private import schema_of, storage_key

aten = torch.ops.aten
FOREACH_TENSORS, FOREACH_ELEMENTS = 36, 320 * 65536
"""Limits per launch for operators on three lists: tensors, and elements in blocks of 65536 (`MultiTensorApply.cuh`)."""


def gather(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Iterator[Work]:
    """Indexing, which reads the indices and as much of its source as it writes."""
    indices = sum(bytes_of(tensor) for tensor in tensors_in(args) if not tensor.is_floating_point())
    yield Work("gather", 0, 2 * bytes_of(result) + indices, 1, result.dtype, items=result.numel())


def copy(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Iterator[Work]:
    """A copy. Between two contiguous tensors it is as fast as any elementwise kernel."""
    sources = list(tensors_in(args[1:] if func.overloadpacket is aten.copy_ else args))
    if sources and storage_key(sources[0]) == storage_key(result):
        return  # nothing was copied, as when `contiguous` gets a contiguous tensor
    plain = len(sources) == 1 and sources[0].is_contiguous() and result.is_contiguous()
    kind: Kind = "elementwise" if plain else "copy"
    moved = bytes_of_all(sources) + bytes_of(result)
    yield Work(kind, 0, moved, 1, result.dtype, group=_copy_group(sources, result), items=result.numel())


def _copy_group(sources: Sequence[Tensor], result: Tensor) -> str:
    if len(sources) > 1:
        return "concatenation"
    if sources and same_order(sources[0], result):
        return "copy.same_type" if sources[0].dtype == result.dtype else "copy.cast"
    return "copy.permuted"


def fill(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Iterator[Work]:
    """Operators that write their result without reading anything."""
    yield Work("elementwise", 0, bytes_of(result), 1, result.dtype, group="fill")


def reduction(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """Sums and the like, along the innermost dimension (each row lies in one piece) or along others (`Reduce.cuh`)."""
    source, *_ = tensors_in(args)
    given = named(func, args, kwargs).get("dim")  # norms have their order before it
    given = [given] if isinstance(given, int) else given
    dimensions = given if isinstance(given, list | tuple) and given else range(source.dim())
    inner = source.is_contiguous() and source.dim() - 1 in {number % max(1, source.dim()) for number in dimensions}
    made = list(tensors_in(result))
    group = "reduction.rows" if inner else "reduction.columns"
    moved = bytes_of(source) + bytes_of_all(made)
    results = max((tensor.numel() for tensor in made), default=1)
    yield Work("elementwise", 0, moved, 1, source.dtype, group=group, items=results)


def pooling(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """Windows that overlap read a value several times; a backward pass looks at all windows of each value."""
    read, made = list(tensors_in(args)), list(tensors_in(result))
    window = math.prod(next((arg for arg in args if isinstance(arg, list | tuple)), (1,)))
    direction = "backward" if "backward" in func.__name__ else "forward"
    moved = bytes_of_all(read) + bytes_of_all(made)
    kind = "max" if "max" in func.__name__ else "average"
    group = f"{kind}_pooling.{direction}.{layout_of(*read)}"
    yield Work("elementwise", 0, moved, 1, made[0].dtype, group=group, items=made[0].numel() * window)


def foreach(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """Operators on lists of tensors. What they change in place is read and written (`MultiTensorApply.cuh`)."""
    read = list(tensors_in(args))
    written = list(tensors_in(args[0])) if schema_of(func).is_mutable else list(tensors_in(result))
    if not read or not written:
        return
    elements = sum(tensor.numel() for tensor in written)
    kernels = max(math.ceil(len(written) / FOREACH_TENSORS), math.ceil(elements / FOREACH_ELEMENTS))
    yield Work("optimizer", 0, bytes_of_all(read) + bytes_of_all(written), kernels, written[0].dtype)


def fused_update(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """The whole step of an optimizer: it reads all lists and writes all but the gradients (`fused_*_impl.cu`).

    Those are written, too, where a gradient scaler has left it to the kernel to unscale them.
    """
    parameters, gradients, *states = (list(tensors_in(part)) for part in args)
    written = [*parameters, *(tensor for state in states for tensor in state)]
    written += gradients if kwargs.get("grad_scale") is not None else []
    elements = sum(parameter.numel() for parameter in parameters)
    kernels = max(math.ceil(len(parameters) / FOREACH_TENSORS), math.ceil(elements / FOREACH_ELEMENTS))
    moved_bytes = bytes_of_all(list(tensors_in(args))) + bytes_of_all(written)
    yield Work("optimizer", 0, moved_bytes, kernels, parameters[0].dtype)


def moved(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """Any other operator, which reads its tensors once and writes its results once.

    Kernels are fast where all tensors have one type and one order (`vectorized_elementwise_kernel`), slower where types
    differ (`unrolled_elementwise_kernel`), and compute addresses value by value where orders or shapes differ
    (`elementwise_kernel` in `CUDALoops.cuh`).
    """
    read, written = list(tensors_in(args)), list(tensors_in(result))
    read += tensors_in(list(kwargs.values()))
    if not written:
        return
    first = written[0]
    shapes = {tensor.shape for tensor in read if tensor.dim()}
    broadcast = len(read) > 1 and len(shapes) > 1 and first.shape in shapes
    kind: Kind = "broadcast" if broadcast else "elementwise"
    bytes_moved = bytes_of_all(read) + bytes_of_all(written)
    largest = max(written, key=torch.numel)
    operands = [tensor for tensor in read if tensor.numel() > 1]
    if not all(same_order(tensor, largest) for tensor in operands):
        group, items = "elementwise.strided", max(tensor.numel() for tensor in (*operands, largest))
    elif any(tensor.dtype != largest.dtype for tensor in operands):
        group, items = "elementwise.mixed_types", largest.numel()
    else:
        group, items = "elementwise", 0
    yield Work(kind, 0, bytes_moved, 1, first.dtype, group=group, items=items)


RULES = {
    gather: frozenset({aten.index, aten.embedding, aten.gather, aten.index_select}),
    copy: frozenset({
        aten.clone, aten.contiguous, aten.copy_, aten._to_copy, aten.cat, aten.stack, aten.roll, aten.constant_pad_nd,
        aten.slice_backward,
    }),
    fill: frozenset({
        aten.zeros, aten.ones, aten.full, aten.zeros_like, aten.ones_like, aten.full_like, aten.new_zeros,
        aten.new_ones, aten.new_full, aten.zero_, aten.fill_, aten.bernoulli_, aten.normal_, aten.uniform_,
        aten.random_, aten.rand, aten.randn, aten.arange, aten.scalar_tensor,
    }),
    reduction: frozenset({
        aten.sum, aten.mean, aten.var, aten.std, aten.var_mean, aten.std_mean, aten.amax, aten.amin, aten.max, aten.min,
        aten.argmax, aten.argmin, aten.norm, aten.linalg_vector_norm, aten.prod, aten.any, aten.all, aten.logsumexp,
    }),
    pooling: frozenset({
        aten.max_pool2d_with_indices, aten.max_pool2d_with_indices_backward, aten.avg_pool2d, aten.avg_pool2d_backward,
    }),
    fused_update: frozenset({
        aten._fused_adam_, aten._fused_adamw_, aten._fused_sgd_, aten._fused_adagrad_,
    }),
}  # fmt: skip
"""Rule -> the operators that it counts."""
