"""Operators that CUDA computes with a fused kernel, and other devices in parts."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.simulation.interposition import Rules

aten = torch.ops.aten
BIAS_ALIGNMENT = 16
"""Elements to which efficient attention wants the rows of its bias padded."""


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout with one output and a mask of one byte per element.

    Elsewhere the mask has the dtype of the input (`is_fused_kernel_acceptable` in
    `aten/src/ATen/native/Dropout.cpp`).
    """
    if not train or not 0 < p < 1 or not input.numel():
        return aten.dropout.default(input, p, train)
    return aten.native_dropout.default(input, p, train)[0]


def softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Softmax of half precision into float without a converted copy (`softmax` in `native/SoftMax.cpp`)."""
    return _softmax(aten._softmax.default, input, dim, dtype)


def log_softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Log-softmax of half precision into float without a converted copy."""
    return _softmax(aten._log_softmax.default, input, dim, dtype)


def _softmax(operator: Any, input: Tensor, dim: int, dtype: torch.dtype | None) -> Tensor:
    if widens(input, dtype):
        return operator(input, dim, True)
    return operator(input if dtype is None else input.to(dtype), dim, False)


def widens(input: Tensor, dtype: torch.dtype | None) -> bool:
    """Whether CUDA's softmax kernels convert this input as they read it; bfloat16 and the CPU have no such form."""
    return input.dtype == torch.float16 and dtype == torch.float32 and input.device.type != "cpu"


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Memory-efficient attention, which CUDA takes for a bias or float32 (`native/transformers/attention.cpp`).

    Shapes (B, heads, L, d). It keeps its inputs, its output and a float per query; a bias whose rows are no multiple
    of 16 elements is copied into rows that are. Without a bias in half precision, cards since Ampere take flash
    attention instead, which keeps the same.
    """
    if query.dim() != 4 or enable_gqa:
        return aten.scaled_dot_product_attention.default(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
    needs_gradient = torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in (query, key, value, attn_mask)
    )
    bias = None if attn_mask is None else _aligned_bias(attn_mask, query, key)
    return aten._scaled_dot_product_efficient_attention.default(
        query, key, value, bias, needs_gradient, dropout_p, is_causal, scale=scale
    )[0]


def _aligned_bias(mask: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """`convert_boolean_attn_mask`, `pad_bias` and `preprocess_mask` of attention.cpp."""
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(mask.logical_not(), float("-inf"))
    keys = mask.shape[-1]
    if keys % BIAS_ALIGNMENT:
        mask = F.pad(mask, (0, BIAS_ALIGNMENT - keys % BIAS_ALIGNMENT))[..., :keys]
    return mask.expand(query.shape[0], query.shape[1], query.shape[2], key.shape[2])


FUSED: Rules = {
    aten.dropout.default: dropout,
    aten.softmax.int: softmax,
    aten.log_softmax.int: log_softmax,
}
"""Fused on every CUDA device."""
FUSED_ATTENTION: Rules = {aten.scaled_dot_product_attention.default: scaled_dot_product_attention}
"""Has kernels on CUDA alone, so a step on the CPU keeps the explicit form."""
