"""Which operators run in which precision under automatic mixed precision: the lists of PyTorch and of NVIDIA Apex.

Operators of other packages are added through `drystep.operators.register_operator`.
"""

from dataclasses import dataclass
from typing import Any

import torch

PYTORCH_LOWER = """
    conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d.input conv_transpose3d.input convolution
    _convolution prelu addmm addmv addr matmul einsum mm mv linalg_vecdot linear addbmm baddbmm bmm chain_matmul
    linalg_multi_dot _thnn_fused_lstm_cell _thnn_fused_gru_cell lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell
    _scaled_dot_product_flash_attention scaled_dot_product_attention
"""
PYTORCH_FP32 = """
    acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar
    pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm group_norm frobenius_norm.dim nuclear_norm
    nuclear_norm.dim cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d hinge_embedding_loss
    kl_div l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss multilabel_margin_loss soft_margin_loss
    triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits dist pdist cdist renorm logsumexp
    upsample_nearest1d _upsample_nearest_exact1d upsample_nearest2d _upsample_nearest_exact2d upsample_nearest3d
    _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d _upsample_bilinear2d_aa upsample_trilinear3d
    upsample_bicubic2d _upsample_bicubic2d_aa
"""
PYTORCH_FP32_DTYPE = """
    prod prod.dim_int softmax.int log_softmax.int cumprod cumsum linalg_vector_norm linalg_matrix_norm
    linalg_matrix_norm.str_ord sum sum.dim_IntList
"""
PYTORCH_WIDEST = "addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add"

APEX_LOWER = """
    conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d.input conv_transpose3d.input linear prelu addmm
    addmv addr matmul mm mv addbmm baddbmm bmm
"""
APEX_FP32 = """
    acos asin cosh erfinv exp expm1 log log10 log2 reciprocal rsqrt sinh tan pow.Tensor_Scalar pow.Tensor_Tensor
    pow.Scalar cumprod cumsum dist prod prod.dim_int std std.dim std.correction sum sum.dim_IntList var var.dim
    var.correction renorm linalg_vector_norm softplus softmax.int log_softmax.int layer_norm native_layer_norm
    group_norm cosine_similarity upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d
    upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d poisson_nll_loss cosine_embedding_loss
    cross_entropy_loss hinge_embedding_loss kl_div l1_loss mse_loss margin_ranking_loss multilabel_margin_loss
    multi_margin_loss nll_loss nll_loss_nd binary_cross_entropy_with_logits smooth_l1_loss soft_margin_loss
    triplet_margin_loss
"""


@dataclass(frozen=True)
class CastLists:
    """Operator overloads, grouped by what automatic mixed precision does to their floating-point arguments."""

    lower: tuple[Any, ...]
    """Cast to half precision."""
    fp32: tuple[Any, ...]
    """Cast to float32."""
    fp32_dtype: tuple[Any, ...]
    """Not cast, but the result is requested in float32 through the argument `dtype`."""
    widest: tuple[Any, ...]
    """Cast to the widest type among the arguments."""


def _overloads(names: str) -> tuple[Any, ...]:
    """Look up aten overloads by name. A name without an overload stands for the default one."""
    found = []
    for name in names.split():
        packet, _, overload = name.partition(".")
        found.append(getattr(getattr(torch.ops.aten, packet), overload or "default"))
    return tuple(found)


PYTORCH = CastLists(
    lower=_overloads(PYTORCH_LOWER),
    fp32=_overloads(PYTORCH_FP32),
    fp32_dtype=_overloads(PYTORCH_FP32_DTYPE),
    widest=_overloads(PYTORCH_WIDEST),
)
"""Lists of `torch.autocast("cuda")` (`aten/src/ATen/autocast_mode.h` of PyTorch 2.11)."""
APEX = CastLists(
    lower=_overloads(APEX_LOWER),
    fp32=_overloads(APEX_FP32),
    fp32_dtype=(),
    widest=_overloads(PYTORCH_WIDEST),
)
"""Lists of Apex's level O1 (`apex/amp/lists/*_overrides.py`), as the aten operators that the patched functions call."""
