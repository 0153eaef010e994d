"""Calls that fail on a GPU because of an error of PyTorch, which a simulation should mention."""

from typing import Any

import torch

from drystep.cuda.rules import Rules
from drystep.cuda.scratch.multiprocessors import most_multiprocessors

aten = torch.ops.aten
MANY_ROWS = 64 * 1024
COLUMNS_OF_BLOCK = 32


def failure_of(func: Any, args: tuple[Any, ...], rules: Rules) -> str:
    """A sentence that says how a call fails on a GPU; "" if it is not known to.

    The gradients of layer norm have a kernel for many short rows that sizes both by the weight's, which has no elements
    where the weight is frozen (`LaunchGammaBetaBackwardCUDAKernel` in `native/cuda/layer_norm_kernel.cu`; pull requests
    192016 and 193016). On an NVIDIA H200 70,000 rows of 192 failed so, and 60,000 did not.
    """
    if func is not aten.native_layer_norm_backward.default or not rules.layer_norm_loses_bias_gradient:
        return ""
    _, input, normalized_shape, *_, (_, weight_wanted, bias_wanted) = args
    columns = 1
    for side in normalized_shape:
        columns *= side
    rows = input.numel() // max(1, columns)
    fails_from = 2 * (columns // COLUMNS_OF_BLOCK + 1)
    if weight_wanted or not bias_wanted or rows <= MANY_ROWS or fails_from > most_multiprocessors(rules.architecture):
        return ""
    return (
        f"layer norm over {columns:,} columns and {rows:,} rows has a bias that trains and a weight that does not: the "
        f"backward pass of PyTorch {rules.torch} fails on GPUs with {fails_from} multiprocessors or more "
        '("NativeLayerNormBackward0 returned an invalid gradient"); let the weight require a gradient, too'
    )
