"""Results as CUDA's kernels return them, where those of meta have another layout or storage.

Convolutions on meta always return contiguous tensors, and a reduced loss does not keep the storage of all losses.
"""

from typing import Any

import torch
from torch import Tensor

from drystep.torch_private import suggest_memory_format

aten = torch.ops.aten
REDUCTION = {aten.mse_loss.default: 2, aten.smooth_l1_loss.default: 2, aten.binary_cross_entropy.default: 3}
"""Position of the argument that says whether a loss is reduced. By default it is."""
NOT_REDUCED = 0


def convolution_layout(input: Tensor, weight: Tensor) -> torch.memory_format:
    """Return channels last if input or weight is in that layout, and neither is float64.

    See `cudnn_conv_suggest_memory_format` in `aten/src/ATen/native/ConvUtils.h`.
    """
    contiguous = torch.contiguous_format
    if torch.float64 in (input.dtype, weight.dtype):
        return contiguous
    layout = suggest_memory_format(input)
    return suggest_memory_format(weight) if layout == contiguous else layout


def as_on_cuda(func: Any, args: tuple[Any, ...], result: Any) -> Any:
    """Return the result of an operator on meta in the layout that CUDA's kernel gives it."""
    if func is aten.convolution.default:
        return _laid_out(result, convolution_layout(args[0], args[1]))
    if func is aten.convolution_backward.default:
        layout = convolution_layout(args[1], args[2])
        grad_input, grad_weight, grad_bias = result
        return _laid_out(grad_input, layout), _laid_out(grad_weight, layout), grad_bias
    if func is aten.native_batch_norm_backward.default and result[0] is not None:
        return torch.empty_like(args[1], dtype=result[0].dtype), *result[1:]
    if func in REDUCTION and args[REDUCTION[func] :][:1] != (NOT_REDUCED,):
        return _shrunk(args[0], args[1], result)
    return result


def _shrunk(input: Tensor, target: Tensor, result: Tensor) -> Tensor:
    """Return a scalar in the storage that was allocated for the loss of every element.

    The kernel writes those losses first (`mse_loss` in `aten/src/ATen/native/BinaryOps.cpp`). Their storage stays
    allocated as long as the scalar is alive.
    """
    shape = torch.broadcast_shapes(input.shape, target.shape)
    return torch.empty(shape, dtype=result.dtype, device=result.device).resize_(())


def _laid_out(tensor: Tensor | None, layout: torch.memory_format) -> Tensor | None:
    if tensor is None or layout == torch.contiguous_format:
        return tensor
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device, memory_format=layout)
