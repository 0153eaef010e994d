"""torchvision's operators, registered like those of any other package. torchvision need not be installed."""

import functools
import importlib
import importlib.util
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Workspace, register_operator
from drystep.values.answers import ANSWERS, answer_nms

FP32_OPERATORS = ("deform_conv2d", "nms", "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool")
"""Operators that autocast runs in float32 (`torchvision/csrc/ops/autocast/`)."""
MOST_IMAGES_AT_ONCE = 32
"""`kMaxParallelImgs` in `torchvision/csrc/ops/cuda/deform_conv2d_kernel.cu`."""


@functools.cache
def register_torchvision() -> None:
    """Import torchvision if it is installed, and register its operators. Later calls do nothing."""
    if importlib.util.find_spec("torchvision") is None:
        return
    importlib.import_module("torchvision")
    for name in FP32_OPERATORS:
        workspaces = _deform_forward if name == "deform_conv2d" else None
        register_operator(getattr(torch.ops.torchvision, name).default, cast="float32", workspaces=workspaces)
    register_operator(torch.ops.torchvision._deform_conv2d_backward.default, workspaces=_deform_backward)
    ANSWERS[torch.ops.torchvision.nms.default] = answer_nms


def _deform_forward(args: tuple[Any, ...]) -> Iterator[Workspace]:
    """Yield what a deformable convolution allocates besides its result (`deform_conv2d_forward_kernel`).

    That is the result twice, before the bias is added and in the order in which images are computed together, and the
    sampled patches.
    """
    input, weight, offset, *_ = args
    outputs = input.shape[0] * weight.shape[0] * math.prod(offset.shape[2:])
    yield _held(2 * outputs + _patches(input, weight, offset), input)


def _deform_backward(args: tuple[Any, ...]) -> Iterator[Workspace]:
    """Yield what its backward allocates besides the gradients (`backward_gradient_parameters`).

    That is the output's gradient in the order in which images are computed together, and the sampled patches.
    """
    grad_output, input, weight, offset, *_ = args
    yield _held(grad_output.numel() + _patches(input, weight, offset), input)


def _patches(input: Tensor, weight: Tensor, offset: Tensor) -> int:
    """Number of sampled values of the images that are computed together."""
    batch = input.shape[0]
    together = next((count for count in range(MOST_IMAGES_AT_ONCE, 0, -1) if batch and batch % count == 0), 0)
    return input.shape[1] * math.prod(weight.shape[2:]) * together * math.prod(offset.shape[2:])


def _held(values: int, like: Tensor) -> Workspace:
    return Workspace(values * like.element_size(), soft=False, kept=False)
