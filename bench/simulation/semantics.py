"""PyTorch's rules that a trace without a GPU would otherwise get wrong: how CUDA allocates, by version.

A profile names one set of rules. Inside `semantics(profile, device)` tensors of `device` (meta, or the CPU's) follow
them; the same code then leaves the same allocations on meta, on the CPU and on a GPU.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._prims_common import suggest_memory_format
from torch.overrides import TorchFunctionMode

from models.naming import choose

PROFILES = ("torch-2.11",)
PRECISIONS = ("fp32",)


class FusedDropout(TorchFunctionMode):
    """Dropout as CUDA's fused kernel does it: one output and a mask of one byte per element.

    Elsewhere `F.dropout` keeps a mask in the dtype of its input (`aten/src/ATen/native/Dropout.cpp`,
    `is_fused_kernel_acceptable`).
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.dropout:
            return _fused_dropout(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _fused_dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    if not training or inplace or not 0 < p < 1:
        return F.dropout(input, p, training, inplace)
    return torch.native_dropout(input, p, training)[0]


@contextmanager
def _foreach_default(device_type: str) -> Iterator[None]:
    """Let optimizers choose their foreach form on this device, as they do on CUDA (`torch/optim/optimizer.py`)."""
    with mock.patch("torch.optim.optimizer._get_foreach_kernels_supported_devices", return_value=["cuda", device_type]):
        yield


def _gradient_in_input_layout(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Convolutions read their output's gradient in the layout of their input, if need be from a copy.

    (`cudnn_convolution_backward` in `aten/src/ATen/native/cudnn/ConvShared.cpp`; the meta kernel makes no copy, and
    returns its gradients in the layout of the unconverted one instead.)
    """
    grad_output, input, *rest = args
    layout = suggest_memory_format(input)
    if not grad_output.is_contiguous(memory_format=layout):
        grad_output = grad_output.contiguous(memory_format=layout)
    elif layout == torch.contiguous_format:
        # A 1x1 map counts as contiguous in either layout; canonical strides keep the kernels from guessing.
        grad_output = grad_output.view(-1).view(grad_output.shape)
    return (grad_output, input, *rest)


def _contiguous_gradient(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Layer norm reads its output's gradient from a contiguous copy, and returns contiguous gradients.

    (`expect_contiguous` in `aten/src/ATen/native/cuda/layer_norm_kernel.cu`; the meta kernel keeps the strides.)
    """
    grad_output, *rest = args
    return (grad_output.contiguous(), *rest)


REWRITES = {
    torch.ops.aten.convolution_backward.default: _gradient_in_input_layout,
    torch.ops.aten.native_layer_norm_backward.default: _contiguous_gradient,
}
"""Arguments as CUDA's kernels see them."""


@contextmanager
def semantics(profile: str, precision: str, device: torch.device) -> Iterator[None]:
    """Apply the rules of a profile to tensors of `device`. Raises `ValueError` for unknown names."""
    choose("profile", profile, PROFILES)
    choose("precision", precision, PRECISIONS)
    with _foreach_default(device.type), FusedDropout():
        yield
