"""The kernels for meta tensors that PyTorch lacks, or that refuse what CUDA takes."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from drystep.cuda.missing.ctc_loss import answer_ctc_loss, ctc_loss, ctc_loss_backward
from drystep.cuda.missing.grouped_products import grouped_mm

aten = torch.ops.aten

KERNELS: Mapping[Any, Callable[..., Any]] = {
    aten._grouped_mm.default: grouped_mm,
    aten._ctc_loss.default: ctc_loss,
    aten._ctc_loss.Tensor: ctc_loss,
    aten._ctc_loss_backward.default: ctc_loss_backward,
    aten._ctc_loss_backward.Tensor: ctc_loss_backward,
}
"""Operator overload -> the function that returns what CUDA's kernel allocates for its results."""

READING: Mapping[Any, Callable[..., Any]] = {aten._ctc_loss.Tensor: answer_ctc_loss}
"""Operator overload -> the function that answers it, besides those of `drystep.values.answers`."""
