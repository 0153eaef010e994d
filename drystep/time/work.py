"""What an operator computes and moves on a GPU: floating-point operations, bytes read and written, kernels launched.

Operations are counted by PyTorch's own formulas (`torch.utils.flop_counter`). The bytes of each operand count once for
every pass in which CUDA's kernels read or write it. Views move nothing.
"""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from drystep.operators import Kind, Work, WorkRule, registered
from drystep.torch_private import schema_of, storage_key

aten = torch.ops.aten


def work_of(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work | None:
    """Work of one dispatched operator, given its overload, arguments and result; None if it launches no kernel."""
    rule = _rule_of(func)
    return None if rule is None else rule(func, args, kwargs, result)


def _rule_of(func: Any) -> WorkRule | None:
    stated = registered(func)
    return _own_rule_of(func) if stated is None or stated.work is None else stated.work


@functools.cache
def _own_rule_of(func: Any) -> WorkRule | None:
    if func.is_view or func in NOTHING:
        return None
    packet = func.overloadpacket
    for rule, packets in RULES.items():
        if packet in packets:
            return rule
    return _foreach if func.__name__.startswith("_foreach_") else _moved


def _product(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Product of (M, K) and (K, N), or a batch of them. If there is a leading argument, the product is added to it."""
    left, right = args[-2:]
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    kind: Kind = "bmm" if left.dim() == 3 else "linear"
    moved = bytes_of(left) + bytes_of(right) + bytes_of(result) + sum(map(bytes_of, args[:-2]))
    return Work(kind, _flops(func, args, kwargs, result), moved, 1, left.dtype, min(m, k, n), k)


def _convolution(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    input, weight, _bias, stride, _, dilation, transposed, _, groups = args[:9]
    moved = bytes_of(input) + bytes_of(weight) + bytes_of(result)
    return _convolved(
        _flops(func, args, kwargs, result), moved, 1, result, weight, (stride, dilation), transposed, groups
    )


def _convolution_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """One convolution for the gradient of the input and one for that of the filter; each reads two operands."""
    grad_output, input, weight, _, stride, _, dilation, transposed, _, groups, wanted = args
    count = sum(map(bool, wanted[:2]))
    moved = count * bytes_of(grad_output)
    moved += sum(
        bytes_of(read) + bytes_of(made) for read, made in zip((weight, input), result, strict=False) if made is not None
    )
    return _convolved(
        _flops(func, args, kwargs, result),
        moved,
        max(1, count),
        grad_output,
        weight,
        (stride, dilation),
        transposed,
        groups,
    )


def _convolved(
    flops: int, moved_bytes: int, kernels: int, output: Tensor, weight: Tensor, steps: Sequence[Sequence[int]],
    transposed: bool, groups: int,
) -> Work:  # fmt: skip
    """A dense 3x3 convolution of stride 1 runs on Winograd kernels; all others are computed as matrix products."""
    out_channels, in_channels, *kernel = weight.shape
    if kernel == [3, 3] and all(step == 1 for sizes in steps for step in sizes) and groups == 1 and not transposed:
        return Work("conv", flops, moved_bytes, kernels, output.dtype, min(out_channels, in_channels), 0, True)
    reduced = in_channels * math.prod(kernel)
    rows = output.numel() // max(1, output.shape[1])
    narrowest = min(out_channels // groups, reduced, rows)
    return Work("linear", flops, moved_bytes, kernels, output.dtype, narrowest, reduced, True)


def _attention(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Fused attention, whose scores are never written to memory; groups of query heads may share key and value."""
    moved = _bytes(_tensors(args)) + _bytes(_tensors(result))
    first = 1 if func.__name__.partition(".")[0].endswith("_backward") else 0  # the output's gradient comes first
    query, key, value = args[first : first + 3]
    shared = [tensor[:, :1].expand(-1, query.shape[1], -1, -1) for tensor in (key, value)]  # PyTorch's formula wants it
    counted = (*args[:first], query, *shared, *args[first + 3 :])
    return Work(
        "attention", _flops(func, counted, kwargs, result), moved, 1, query.dtype, query.shape[-1], query.shape[-1]
    )


def _softmax(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    return Work("softmax", 0, bytes_of(args[0]) + bytes_of(result), 1, result.dtype, 0, args[0].shape[args[1]])


def _softmax_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Two kernels: the first writes a product that the second reduces (`softmax_backward_cuda_out` in `SoftMax.cu`)."""
    moved = 2 * (bytes_of(args[0]) + bytes_of(args[1])) + 2 * bytes_of(result)
    return Work("elementwise", 0, moved, 2, result.dtype)


def _layer_norm(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    return Work("layer_norm", 0, bytes_of(args[0]) + bytes_of(result[0]), 1, args[0].dtype, 0, math.prod(args[1]))


def _layer_norm_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """One kernel for the gradient of the input and one for weight and bias; both read gradient and input."""
    grad_output, input, shape, *_, wanted = args
    read = bytes_of(grad_output) + bytes_of(input)
    passes = bool(wanted[0]) + (bool(wanted[1]) or bool(wanted[2]))
    written = bytes_of(result[0]) if wanted[0] else 0
    return Work("layer_norm_backward", 0, passes * read + written, max(1, passes), input.dtype, 0, math.prod(shape))


def _dropout(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    return Work("dropout", 0, bytes_of(args[0]) + _bytes(_tensors(result)), 1, args[0].dtype)


def _gather(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Indexing, which reads the indices and as much of its source as it writes."""
    indices = _bytes(tensor for tensor in _tensors(args) if not tensor.is_floating_point())
    return Work("gather", 0, 2 * bytes_of(result) + indices, 1, result.dtype)


def _copy(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work | None:
    """A copy. Between two contiguous tensors it is as fast as any elementwise kernel."""
    sources = list(_tensors(args[1:] if func.overloadpacket is aten.copy_ else args))
    if sources and storage_key(sources[0]) == storage_key(result):
        return None  # nothing was copied, as when `contiguous` gets a contiguous tensor
    plain = len(sources) == 1 and sources[0].is_contiguous() and result.is_contiguous()
    return Work("elementwise" if plain else "copy", 0, _bytes(sources) + bytes_of(result), 1, result.dtype)


def _filled(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Operators that write their result without reading anything."""
    return Work("elementwise", 0, bytes_of(result), 1, result.dtype)


def _foreach(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work | None:
    """Operators on lists of tensors. What they change in place is read and written (`MultiTensorApply.cuh`)."""
    read = list(_tensors(args))
    written = list(_tensors(args[0])) if schema_of(func).is_mutable else list(_tensors(result))
    if not read or not written:
        return None
    elements = sum(tensor.numel() for tensor in written)
    kernels = max(math.ceil(len(written) / FOREACH_TENSORS), math.ceil(elements / FOREACH_ELEMENTS))
    return Work("optimizer", 0, _bytes(read) + _bytes(written), kernels, written[0].dtype)


def _moved(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work | None:
    """Any other operator, which reads its tensors once and writes its results once."""
    read, written = list(_tensors(args)), list(_tensors(result))
    read += _tensors(list(kwargs.values()))
    if not written:
        return None
    first = written[0]
    shapes = {tensor.shape for tensor in read if tensor.dim()}
    broadcast = len(read) > 1 and len(shapes) > 1 and first.shape in shapes
    return Work("broadcast" if broadcast else "elementwise", 0, _bytes(read) + _bytes(written), 1, first.dtype)


def bytes_of(tensor: Tensor | None) -> int:
    """Distinct bytes of a tensor. Elements that `expand` repeats are read from memory once, then from a cache."""
    if tensor is None:
        return 0
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def _bytes(tensors: Any) -> int:
    return sum(map(bytes_of, tensors))


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)


def _flops(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> int:
    return int(flop_registry[func.overloadpacket](*args, **kwargs, out_val=result))


FOREACH_TENSORS, FOREACH_ELEMENTS = 36, 320 * 65536
"""Limits per launch for operators on three lists: tensors, and elements in blocks of 65536 (`MultiTensorApply.cuh`)."""

NOTHING = frozenset({
    aten.empty.memory_format, aten.empty_strided.default, aten.empty_like.default, aten.new_empty.default,
    aten.new_empty_strided.default, aten._unsafe_view.default, aten.lift_fresh.default, aten.detach.default,
    aten._local_scalar_dense.default,
})  # fmt: skip
"""Operators that launch no kernel, although PyTorch does not call them views."""

RULES: dict[WorkRule, frozenset[Any]] = {
    _product: frozenset({aten.mm, aten.addmm, aten.bmm, aten.baddbmm}),
    _convolution: frozenset({aten.convolution}),
    _convolution_backward: frozenset({aten.convolution_backward}),
    _attention: frozenset({
        aten._scaled_dot_product_efficient_attention, aten._scaled_dot_product_efficient_attention_backward,
        aten._scaled_dot_product_flash_attention, aten._scaled_dot_product_flash_attention_backward,
    }),
    _softmax: frozenset({aten._softmax, aten._log_softmax}),
    _softmax_backward: frozenset({aten._softmax_backward_data}),
    _layer_norm: frozenset({aten.native_layer_norm}),
    _layer_norm_backward: frozenset({aten.native_layer_norm_backward}),
    _dropout: frozenset({aten.native_dropout}),
    _gather: frozenset({aten.index, aten.embedding, aten.gather, aten.index_select}),
    _copy: frozenset({
        aten.clone, aten.contiguous, aten.copy_, aten._to_copy, aten.cat, aten.stack, aten.roll, aten.constant_pad_nd,
        aten.slice_backward,
    }),
    _filled: frozenset({
        aten.zeros, aten.ones, aten.full, aten.zeros_like, aten.ones_like, aten.full_like, aten.new_zeros,
        aten.new_ones, aten.new_full, aten.zero_, aten.fill_, aten.bernoulli_, aten.normal_, aten.uniform_,
        aten.random_, aten.rand, aten.randn, aten.arange, aten.scalar_tensor,
    }),
}  # fmt: skip
"""Rule -> the operators that it counts. All others are counted by `_foreach` or `_moved`."""
