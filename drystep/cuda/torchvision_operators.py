"""torchvision's operators, registered like those of any other package. torchvision need not be installed."""

import functools
import importlib
import importlib.util

import torch

from drystep.operators import register_operator
from drystep.values.answers import ANSWERS, answer_nms

FP32_OPERATORS = ("deform_conv2d", "nms", "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool")
"""Operators that autocast runs in float32 (`torchvision/csrc/ops/autocast/`)."""


@functools.cache
def register_torchvision() -> None:
    """Import torchvision if it is installed, and register its operators. Later calls do nothing."""
    if importlib.util.find_spec("torchvision") is None:
        return
    importlib.import_module("torchvision")
    for name in FP32_OPERATORS:
        register_operator(getattr(torch.ops.torchvision, name).default, cast="float32")
    ANSWERS[torch.ops.torchvision.nms.default] = answer_nms
