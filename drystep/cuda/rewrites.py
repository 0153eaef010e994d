"""Operators and arguments as CUDA's kernels see them: copies in the layout they read, and masks as indices.

A boolean mask among indices is replaced by the columns of its `nonzero`, which stays in memory together with the
result (`expandTensors` in `aten/src/ATen/native/IndexingUtils.h`).
"""

from typing import Any

import torch
from torch import Tensor

from drystep.cuda.layouts import convolution_layout
from drystep.torch_private import suggest_memory_format
from drystep.trace.recorder import Arguments, Rewrite

aten = torch.ops.aten


def _gradient_in_input_layout(func: Any, args: Arguments) -> tuple[Any, Arguments]:
    """Give a convolution its output's gradient in the layout that it works in, as a copy where they differ.

    See `cudnn_convolution_backward` in `aten/src/ATen/native/cudnn/ConvShared.cpp`. The meta kernel makes no copy, and
    returns its gradients in the layout of the unconverted gradient instead.
    """
    grad_output, input, weight, *rest = args
    layout = convolution_layout(input, weight)
    if not grad_output.is_contiguous(memory_format=layout):
        grad_output = grad_output.contiguous(memory_format=layout)
    elif layout == torch.contiguous_format:
        # A 1x1 map counts as contiguous in either layout; canonical strides make the kernels choose this one.
        grad_output = grad_output.view(-1).view(grad_output.shape)
    return func, (grad_output, input, weight, *rest)


def _contiguous_gradient(func: Any, args: Arguments) -> tuple[Any, Arguments]:
    """Give layer norm a contiguous copy of its output's gradient, so that it returns contiguous gradients.

    See `expect_contiguous` in `aten/src/ATen/native/cuda/layer_norm_kernel.cu`. The meta kernel keeps the strides.
    """
    grad_output, *rest = args
    return func, (grad_output.contiguous(), *rest)


def _batch_norm_gradient(func: Any, args: Arguments) -> tuple[Any, Arguments]:
    """Give cuDNN's batch norm its output's gradient in the layout of its input, as a copy where they differ.

    See `cudnn_batch_norm_backward` in `aten/src/ATen/native/cudnn/BatchNorm.cpp`. PyTorch's own kernel, which takes
    bfloat16 and evaluation, reads any layout (`_select_batch_norm_backend` in `native/Normalization`).
    """
    grad_output, input, *rest = args
    trains = rest[5]
    layout = suggest_memory_format(input)
    if trains and input.dim() > 2 and input.dtype != torch.bfloat16:
        grad_output = grad_output.contiguous(memory_format=layout)
    return func, (grad_output, input, *rest)


def _pixel_shuffle(func: Any, args: Arguments) -> tuple[Any, Arguments]:
    """Copy shuffled pixels to contiguous order, whatever the layout of the input.

    See `math_pixel_shuffle` in `aten/src/ATen/native/PixelShuffle.cpp`. The kernel of the CPU keeps the layout.
    """
    input, factor = args
    *batch, channels, height, width = input.shape
    channels //= factor**2
    split = input.reshape(*batch, channels, factor, factor, height, width)
    axis = len(batch)
    order = (*range(axis), axis, axis + 3, axis + 1, axis + 4, axis + 2)
    shuffled = split.permute(order).clone(memory_format=torch.contiguous_format)
    return aten.view.default, (shuffled, [*batch, channels, height * factor, width * factor])


def _pixel_unshuffle(func: Any, args: Arguments) -> tuple[Any, Arguments]:
    """Do the same in the other direction (`math_pixel_unshuffle`)."""
    input, factor = args
    *batch, channels, height, width = input.shape
    height, width = height // factor, width // factor
    split = input.reshape(*batch, channels, height, factor, width, factor)
    axis = len(batch)
    order = (*range(axis), axis, axis + 2, axis + 4, axis + 1, axis + 3)
    gathered = split.permute(order).clone(memory_format=torch.contiguous_format)
    return aten.view.default, (gathered, [*batch, channels * factor**2, height, width])


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
    """Expand masks, unless one value is written under one mask.

    That is `masked_fill_`, which needs no indices (`TensorAdvancedIndexing.cpp`).
    """
    _, indices, values, *accumulate = args
    given = [index for index in indices if index is not None]
    if not any(accumulate) and values.numel() == 1 and len(given) == 1 and _is_mask(given[0]):
        return func, args
    return _indexing(func, args)


def _masked_select(func: Any, args: Arguments) -> tuple[Any, Arguments]:
    """Replace `masked_select` by indexing with the expanded mask."""
    values, mask = torch.broadcast_tensors(*args)
    return aten.index.Tensor, (values, _without_masks([mask]))


REWRITES: dict[Any, Rewrite] = {
    aten.convolution_backward.default: _gradient_in_input_layout,
    aten.native_layer_norm_backward.default: _contiguous_gradient,
    aten.native_batch_norm_backward.default: _batch_norm_gradient,
    aten.pixel_shuffle.default: _pixel_shuffle,
    aten.pixel_unshuffle.default: _pixel_unshuffle,
    aten.index.Tensor: _indexing,
    aten._unsafe_index.Tensor: _indexing,
    aten.index_put.default: _index_put,
    aten.index_put_.default: _index_put,
    aten._unsafe_index_put.default: _index_put,
    aten._index_put_impl_.default: _index_put,
    aten.masked_select.default: _masked_select,
}
"""Operator overload -> the function that rewrites a call of it."""
