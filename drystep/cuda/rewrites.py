"""Operators and arguments as CUDA's kernels see them: copies in the layout they read, and masks as indices.

A boolean mask among indices is replaced by the columns of its `nonzero`, which stays in memory beside the result
(`expandTensors` in `aten/src/ATen/native/IndexingUtils.h`).
"""

from typing import Any

import torch
from torch import Tensor

from drystep.cuda.layouts import convolution_layout
from drystep.trace.recorder import Arguments, Rewrite

aten = torch.ops.aten


def _gradient_in_input_layout(func: Any, args: Arguments) -> tuple[Any, Arguments]:
    """Convolutions read their output's gradient in the layout they work in, if need be from a copy.

    (`cudnn_convolution_backward` in `aten/src/ATen/native/cudnn/ConvShared.cpp`; the meta kernel makes no copy, and
    returns its gradients in the layout of the unconverted one instead.)
    """
    grad_output, input, weight, *rest = args
    layout = convolution_layout(input, weight)
    if not grad_output.is_contiguous(memory_format=layout):
        grad_output = grad_output.contiguous(memory_format=layout)
    elif layout == torch.contiguous_format:
        # A 1x1 map counts as contiguous in either layout; canonical strides keep the kernels from guessing.
        grad_output = grad_output.view(-1).view(grad_output.shape)
    return func, (grad_output, input, weight, *rest)


def _contiguous_gradient(func: Any, args: Arguments) -> tuple[Any, Arguments]:
    """Layer norm reads its output's gradient from a contiguous copy, and returns contiguous gradients.

    (`expect_contiguous` in `aten/src/ATen/native/cuda/layer_norm_kernel.cu`; the meta kernel keeps the strides.)
    """
    grad_output, *rest = args
    return func, (grad_output.contiguous(), *rest)


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)


def _without_masks(indices: list[Tensor | None]) -> list[Tensor | None]:
    expanded: list[Tensor | None] = []
    for index in indices:
        if index is not None and _is_mask(index):
            expanded += torch.nonzero(index).unbind(1)
        else:
            expanded.append(index)
    return expanded


def _indexing(func: Any, args: Arguments) -> tuple[Any, Arguments]:
    values, indices, *rest = args
    return func, (values, _without_masks(indices), *rest)


def _index_put(func: Any, args: Arguments) -> tuple[Any, Arguments]:
    """Writing one value under one mask is `masked_fill_`, which needs no indices (`TensorAdvancedIndexing.cpp`)."""
    _, indices, values, *accumulate = args
    given = [index for index in indices if index is not None]
    if not any(accumulate) and values.numel() == 1 and len(given) == 1 and _is_mask(given[0]):
        return func, args
    return _indexing(func, args)


def _masked_select(func: Any, args: Arguments) -> tuple[Any, Arguments]:
    """It is indexing, once the mask is expanded."""
    values, mask = torch.broadcast_tensors(*args)
    return aten.index.Tensor, (values, _without_masks([mask]))


REWRITES: dict[Any, Rewrite] = {
    aten.convolution_backward.default: _gradient_in_input_layout,
    aten.native_layer_norm_backward.default: _contiguous_gradient,
    aten.index.Tensor: _indexing,
    aten._unsafe_index.Tensor: _indexing,
    aten.index_put.default: _index_put,
    aten.index_put_.default: _index_put,
    aten._unsafe_index_put.default: _index_put,
    aten._index_put_impl_.default: _index_put,
    aten.masked_select.default: _masked_select,
}
"""Operator overload -> what runs in its place."""
