"""Which attention kernel CUDA takes for `F.scaled_dot_product_attention`, and what it keeps for backward."""

import torch
import torch.nn.functional as F
from torch import Tensor

from drystep.cuda.dispatch import Rules

aten = torch.ops.aten
BIAS_ALIGNMENT = 16
"""Elements to which efficient attention wants the rows of its bias padded."""


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


FUSED_ATTENTION: Rules = {aten.scaled_dot_product_attention.default: scaled_dot_product_attention}
"""Has kernels on CUDA alone, so a step on the CPU keeps the explicit form."""
