"""Which operators run in which precision under automatic mixed precision: the lists of PyTorch and of NVIDIA Apex.

Operators of other packages are added through `drystep.operators.register_operator`.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

PYTORCH_LOWER = """
    conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d.input conv_transpose3d.input convolution
    _convolution _convolution.deprecated cudnn_convolution cudnn_convolution_transpose _cudnn_rnn prelu addmm addmv
    addr matmul einsum mm mv linalg_vecdot linear addbmm baddbmm bmm chain_matmul linalg_multi_dot
    _thnn_fused_lstm_cell _thnn_fused_gru_cell lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell
    _scaled_dot_product_flash_attention scaled_dot_product_attention
"""
PYTORCH_FP32 = """
    acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar
    pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm group_norm frobenius_norm.dim nuclear_norm
    nuclear_norm.dim cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d hinge_embedding_loss
    kl_div l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss multilabel_margin_loss soft_margin_loss
    triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits dist pdist cdist renorm logsumexp rms_norm
    linalg_matrix_sqrth upsample_nearest1d _upsample_nearest_exact1d upsample_nearest2d _upsample_nearest_exact2d
    upsample_nearest3d
    _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d _upsample_bilinear2d_aa upsample_trilinear3d
    upsample_bicubic2d _upsample_bicubic2d_aa
"""
PYTORCH_FP32_DTYPE = """
    prod prod.dim_int prod.dim_Dimname softmax.int softmax.Dimname log_softmax.int log_softmax.Dimname cumprod
    cumprod.dimname cumsum cumsum.dimname linalg_vector_norm linalg_matrix_norm linalg_matrix_norm.str_ord sum
    sum.dim_IntList sum.dim_DimnameList
"""
PYTORCH_WIDEST = "addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add"

APPENDED = {
    "norm.Scalar": "norm.ScalarOpt_dtype",
    "norm.ScalarOpt_dim": "norm.ScalarOpt_dim_dtype",
}
"""Overload -> the one that takes the type of the result; of names of dimensions there are none left to model."""
BANNED = "binary_cross_entropy"
_UPSAMPLING = """
    upsample_nearest1d _upsample_nearest_exact1d upsample_nearest2d _upsample_nearest_exact2d upsample_nearest3d
    _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d _upsample_bilinear2d_aa upsample_trilinear3d
    upsample_bicubic2d _upsample_bicubic2d_aa
"""
SINCE: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("grid_sampler", "huber_loss", "linalg_multi_dot", "scatter_add"), (1, 9)),
    "einsum": (1, 12),
    "logsumexp": (1, 13),
    **dict.fromkeys(
        (
            "scaled_dot_product_attention", "_scaled_dot_product_flash_attention", "linalg_vector_norm",
            "linalg_matrix_norm", "linalg_matrix_norm.str_ord",
        ),
        (2, 0),
    ),
    "linalg_vecdot": (2, 2),
    "rms_norm": (2, 12),
    "linalg_matrix_sqrth": (2, 14),
    **dict.fromkeys((*_UPSAMPLING.split(), "vdot"), (2, 4)),
}  # fmt: skip
"""Operator -> the first version whose wheel registers a cast for it; all others are in the lists from 1.7 on."""
FORMER_UNTIL = (1, 10)
FORMER_FP32, FORMER_WIDEST = "gelu", "cat stack"
"""Operators whose casts ended with 1.9 (of `equal`, too, whose result is no tensor)."""

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
    fp32_appended: Mapping[Any, Any] = field(default_factory=dict)
    """Replaced by an overload that takes the type of the result, which is then float32."""
    banned: tuple[Any, ...] = ()
    """An error where an argument is in half precision."""


def _overloads(names: str) -> tuple[Any, ...]:
    """Look up aten overloads by name, as far as the installed PyTorch has them.

    A name without an overload stands for the default one.
    """
    found = []
    for name in names.split():
        packet, _, overload = name.partition(".")
        operator = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
        if operator is not None:
            found.append(operator)
    return tuple(found)


@functools.cache
def pytorch_lists(version: tuple[int, int]) -> CastLists:
    """Lists of `torch.autocast("cuda")` in a version of PyTorch (`aten/src/ATen/autocast_mode.{h,cpp}`)."""

    def of_version(names: str, former: str = "") -> tuple[Any, ...]:
        wanted = [name for name in names.split() if SINCE.get(name, version) <= version]
        return _overloads(" ".join([*wanted, *(former.split() if version < FORMER_UNTIL else ())]))

    return CastLists(
        lower=of_version(PYTORCH_LOWER),
        fp32=of_version(PYTORCH_FP32, former=FORMER_FP32),
        fp32_dtype=of_version(PYTORCH_FP32_DTYPE),
        fp32_appended={_overloads(name)[0]: _overloads(typed)[0] for name, typed in APPENDED.items()},
        widest=of_version(PYTORCH_WIDEST, former=FORMER_WIDEST),
        banned=_overloads(BANNED),
    )


APEX = CastLists(
    lower=_overloads(APEX_LOWER),
    fp32=_overloads(APEX_FP32),
    fp32_dtype=(),
    widest=_overloads(PYTORCH_WIDEST),
)
"""Lists of Apex's level O1 (`apex/amp/lists/*_overrides.py`), as the aten operators that the patched functions call."""
