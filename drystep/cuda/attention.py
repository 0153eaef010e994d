"""The attention kernel that CUDA selects for `F.scaled_dot_product_attention`, and what it keeps for backward."""

import torch
import torch.nn.functional as F
from torch import Tensor

from drystep.cuda.dispatch import Replacements

aten = torch.ops.aten
HALF = (torch.float16, torch.bfloat16)
BIAS_ALIGNMENT = 16
"""Memory-efficient attention needs the rows of its bias padded to a multiple of this many elements."""


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
    """Memory-efficient attention, which CUDA selects for a bias or float32 (`native/transformers/attention.cpp`).

    Query, key and value have the shape (B, heads, L, d). The kernel keeps its inputs, its output and one float per
    query for backward. A bias whose row length is not a multiple of 16 elements is copied into padded rows. In half
    precision without a bias, cards since Ampere use flash attention instead, which keeps the same tensors. It alone
    takes fewer heads of key and value than of the query. Where neither kernel can, or the program has disabled both
    (`torch.nn.attention.sdpa_kernel`), all weights are written.
    """
    takes_flash = torch.backends.cuda.flash_sdp_enabled() and attn_mask is None and query.dtype in HALF
    if enable_gqa and query.dim() == 4 and takes_flash:
        return aten._scaled_dot_product_flash_attention.default(query, key, value, dropout_p, is_causal, scale=scale)[0]
    is_fused = takes_flash or torch.backends.cuda.mem_efficient_sdp_enabled()
    if not is_fused or query.dim() != 4 or not query.shape[:2] == key.shape[:2] == value.shape[:2]:
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
    """Prepare a mask like `convert_boolean_attn_mask`, `pad_bias` and `preprocess_mask` of attention.cpp."""
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(mask.logical_not(), float("-inf"))
    keys = mask.shape[-1]
    if keys % BIAS_ALIGNMENT:
        mask = F.pad(mask, (0, BIAS_ALIGNMENT - keys % BIAS_ALIGNMENT))[..., :keys]
    return mask.expand(query.shape[0], query.shape[1], query.shape[2], key.shape[2])


FUSED_ATTENTION: Replacements = {aten.scaled_dot_product_attention.default: scaled_dot_product_attention}
"""The kernel exists on CUDA only, so a step on the CPU computes attention with separate operators."""
