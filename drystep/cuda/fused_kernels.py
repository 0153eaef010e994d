"""Operators that CUDA computes with one fused kernel, and other devices with several operators."""

from typing import Any

import torch
from torch import Tensor

from drystep.cuda.dispatch import Replacements

aten = torch.ops.aten


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout with one output and a mask of one byte per element.

    On other devices the mask has the dtype of the input (`is_fused_kernel_acceptable` in
    `aten/src/ATen/native/Dropout.cpp`).
    """
    if not train or not 0 < p < 1 or not input.numel():
        return aten.dropout.default(input, p, train)
    return aten.native_dropout.default(input, p, train)[0]


def softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Softmax from float16 to float32 without a converted copy of the input (`softmax` in `native/SoftMax.cpp`)."""
    return _softmax(aten._softmax.default, input, dim, dtype)


def log_softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Log-softmax from float16 to float32 without a converted copy of the input."""
    return _softmax(aten._log_softmax.default, input, dim, dtype)


def _softmax(operator: Any, input: Tensor, dim: int, dtype: torch.dtype | None) -> Tensor:
    if widens(input, dtype):
        return operator(input, dim, True)
    return operator(input if dtype is None else input.to(dtype), dim, False)


def widens(input: Tensor, dtype: torch.dtype | None) -> bool:
    """Whether a softmax kernel converts this input as it reads it. There is none for bfloat16, and none on the CPU."""
    return input.dtype == torch.float16 and dtype == torch.float32 and input.device.type != "cpu"


FUSED: Replacements = {
    aten.dropout.default: dropout,
    aten.softmax.int: softmax,
    aten.log_softmax.int: log_softmax,
}
"""Kernels that every CUDA device has."""
