"""Focal loss of classes (Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 5), lean in memory."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.detectors.assignment.matching import IGNORED

VALUES_AT_ONCE = 4 << 20
"""Logits that are worked on at once: 16 MiB for each temporary in float32, and far more work than a launch takes."""
LINEAR_FROM = 40.0
"""log(1 + exp(y)) is y from here on, in float64 too. PyTorch's own bound of 20 is off by 2e-9 there."""


def sigmoid_focal_loss_sum(logits: Tensor, labels: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Sum over anchors and classes of the focal loss as `torchvision.ops.sigmoid_focal_loss` computes it.

    logits (..., classes); labels (...) int64: the index of each anchor's class, `BACKGROUND` where it has none, or
    `IGNORED` where it adds nothing. The default `alpha` and `gamma` are those that Lin et al. found best. The logits
    may be of any floating type. The loss is computed and returned in float32, under autocast as well, or in float64 for
    logits of float64.

    Only the logits and the labels are kept for backward, as mmcv's CUDA kernel keeps them. Beside them, forward has
    temporaries for some of the anchors at a time, and backward has the gradient too. It cannot be differentiated again.
    """
    total: Tensor = _FocalLossSum.apply(logits, labels, alpha, gamma)
    return total


class _FocalLossSum(torch.autograd.Function):
    """With y the logit of the wrong answer (-x for an anchor's own class, x elsewhere) and q = sigmoid(y), the loss is
    a q^gamma softplus(y), and its derivative by y is a q^gamma (gamma (1 - q) softplus(y) + q).

    `a` is alpha for an anchor's own class and 1 - alpha elsewhere.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, alpha: float, gamma: float) -> Tensor:
        ctx.save_for_backward(logits, labels)
        ctx.alpha, ctx.gamma = alpha, gamma
        total = logits.new_zeros((), dtype=_computed(logits))
        for part, own in _parts(logits, labels):
            total += _weigh(_losses(part, own, gamma), own, 1 - alpha, alpha).sum()
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        logits, labels = ctx.saved_tensors
        grad_logits = torch.empty_like(logits, memory_format=torch.contiguous_format)
        written = grad_logits.view(-1, logits.shape[-1]).split(_anchors_at_once(logits))
        for (part, own), grad_part in zip(_parts(logits, labels), written, strict=True):
            slopes = _weigh(_slopes(part, own, ctx.gamma), own, (1 - ctx.alpha) * grad, -ctx.alpha * grad)
            grad_part.copy_(slopes)
            del slopes  # before the next part has its own
        return grad_logits, None, None, None


class _OwnClasses(NamedTuple):
    """The classes of n anchors. Without one, an anchor has a column all the same, so that shapes are known."""

    column: Tensor
    """(n, 1) int64"""
    exists: Tensor
    """(n, 1) bool"""
    counted: Tensor
    """(n, 1) bool, False for anchors that are ignored."""


def _parts(logits: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, _OwnClasses]]:
    """Logits (n, classes) and classes of some of the anchors at a time."""
    anchors = _anchors_at_once(logits)
    rows, of_rows = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1, 1)
    for part, label in zip(rows.split(anchors), of_rows.split(anchors), strict=True):
        yield part, _OwnClasses(label.clamp(min=0), label >= 0, label != IGNORED)


def _anchors_at_once(logits: Tensor) -> int:
    return max(1, VALUES_AT_ONCE // logits.shape[-1])


def _wrong_answers(logits: Tensor, own: _OwnClasses) -> Tensor:  # (n, classes), a copy in the type of the computation
    y = logits.to(_computed(logits), copy=True)
    at_own = y.gather(-1, own.column)
    return y.scatter_(-1, own.column, torch.where(own.exists, -at_own, at_own))


def _losses(logits: Tensor, own: _OwnClasses, gamma: float) -> Tensor:
    """q^gamma softplus(y), without the weights."""
    y = _wrong_answers(logits, own)
    return y.sigmoid().pow_(gamma).mul_(_softplus(y))


def _slopes(logits: Tensor, own: _OwnClasses, gamma: float) -> Tensor:
    """The derivative of these losses by y. It is minus the derivative by the logit at an own class."""
    y = _wrong_answers(logits, own)
    q = y.sigmoid()
    slopes = _softplus(y).mul_(gamma)
    slopes.lerp_(slopes.new_ones(()), q)  # gamma (1 - q) softplus(y) + q
    return slopes.mul_(q.pow_(gamma))


def _weigh(values: Tensor, own: _OwnClasses, elsewhere: Tensor | float, at_own: Tensor | float) -> Tensor:
    """Multiply values (n, classes) by a weight at own classes and by another elsewhere, in place; ignored ones by 0."""
    own_values = values.gather(-1, own.column) * at_own
    values.mul_(own.counted.to(values.dtype) * elsewhere)
    return values.scatter_(-1, own.column, own_values.where(own.exists, values.gather(-1, own.column)))


def _softplus(y: Tensor) -> Tensor:
    return F.softplus(y, threshold=LINEAR_FROM)


def _computed(logits: Tensor) -> torch.dtype:
    """The type of the computation. No operator here is one that autocast lowers, so it stays in this type."""
    return torch.promote_types(logits.dtype, torch.float32)
