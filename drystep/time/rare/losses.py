"""Losses: a value for each sample and a mean of them, often in one kernel or by few threads."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from drystep.operators import Work, WorkRule
from drystep.time.rare.operands import bytes_in, named, operators

UNREDUCED = 0
"""The reduction that keeps the loss of each sample."""


def _likelihood(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """One log-probability for each target; a mean is summed up by one block of threads (`cuda/Loss.cu`)."""
    given = named(func, args, kwargs)
    target: Tensor = given["target"]
    rows, size = target.numel(), given["self"].element_size()
    moved = bytes_in(target, given["weight"], result) + rows * size
    blocks = 0 if given["reduction"] == UNREDUCED else 1
    return Work("gather", 0, moved, 1, given["self"].dtype, group="nll_loss.forward", items=rows, blocks=blocks)


def _likelihood_of_maps(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """One log-probability for each target. A mean takes zeros, atomic sums, and a division (`cuda/NLLLoss2d.cu`)."""
    given = named(func, args, kwargs)
    target: Tensor = given["target"]
    moved = bytes_in(target, given["weight"], result) + target.numel() * given["self"].element_size()
    kernels = 1 if given["reduction"] == UNREDUCED else 3
    return Work("gather", 0, moved, kernels, given["self"].dtype, group="nll_loss2d.forward", items=target.numel())


def _likelihood_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Zeros, then one value for each target (`nll_loss_backward_out_cuda` in `cuda/Loss.cu`, `cuda/NLLLoss2d.cu`)."""
    given = named(func, args, kwargs)
    grad, target = given["grad_output"], given["target"]
    moved = bytes_in(grad, target, given["weight"], result) + target.numel() * result.element_size()
    return Work("elementwise", 0, moved, 2, result.dtype, group="nll_loss.backward", items=target.numel())


def _reduced(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Losses of all samples, written, and read by a reduction (`BinaryOps.cpp`, `Loss.cpp`)."""
    reduction = named(func, args, kwargs)["reduction"]
    moved, kernels = bytes_in(args, result), 1
    if reduction != UNREDUCED:
        moved, kernels = moved + 2 * bytes_in(args[0]), 2
    return Work("elementwise", 0, moved, kernels, result.dtype)


def _logits(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """The steps of `binary_cross_entropy_with_logits` in `Loss.cpp`, each of which is a kernel over all samples.

    Targets are subtracted from one (read, written), multiplied by the logits (two read, written), whose logarithms of
    sigmoids are taken (read, written) and subtracted (two read, written). Weights of positives, less one (read,
    written), are multiplied by the targets (both read, written), increased by one (read, written), and multiplied by
    the logarithms (two read, written). Weights of samples multiply the losses (two read, written). A mean reads them.
    """
    given = named(func, args, kwargs)
    passes, kernels = 10, 4
    moved = 3 * bytes_in(given["pos_weight"]) + bytes_in(given["weight"], result)
    if given["pos_weight"] is not None:
        passes, kernels = passes + 7, kernels + 4
    if given["weight"] is not None:
        passes, kernels = passes + 2, kernels + 1
    if given["reduction"] != UNREDUCED:
        passes, kernels = passes + 1, kernels + 1
    return Work("elementwise", 0, passes * bytes_in(args[0]) + moved, kernels, result.dtype)


def _ctc(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """The probabilities (B, T, 2 L + 1) of all beginnings are written, step by step (`cuda/LossCTC.cu`).

    Each reads one log-probability. The steps in time of a sequence follow each other, sequences lie beside each other.
    """
    log_probs, targets = args[:2]
    times, batch = log_probs.shape[0], log_probs.shape[1] if log_probs.dim() == 3 else 1
    alpha = result[1]
    read = min(bytes_in(log_probs), alpha.numel() * log_probs.element_size())
    moved = read + bytes_in(targets, result)
    return Work("gather", 0, moved, 1, alpha.dtype, group="ctc", items=batch * times, blocks=batch)


def _ctc_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """The probabilities of all ends, step by step, then the gradient of each log-probability (`cuda/LossCTC.cu`).

    The first are written, read, and read again with those of all beginnings. The gradient is filled, then written where
    labels are, and finished in place with a read of the log-probabilities.
    """
    log_probs, targets = args[1:3]
    alpha: Tensor = args[6]
    times, batch = log_probs.shape[0], log_probs.shape[1] if log_probs.dim() == 3 else 1
    moved = 3 * bytes_in(alpha) + bytes_in(targets, log_probs) + 3 * bytes_in(result)
    return Work("gather", 0, moved, 4, alpha.dtype, group="ctc", items=batch * times, blocks=batch)


RULES: dict[WorkRule, frozenset[Any]] = {
    _likelihood: operators("nll_loss_forward"),
    _likelihood_of_maps: operators("nll_loss2d_forward"),
    _likelihood_backward: operators("nll_loss_backward nll_loss2d_backward"),
    _reduced: operators("mse_loss smooth_l1_loss huber_loss binary_cross_entropy soft_margin_loss"),
    _logits: operators("binary_cross_entropy_with_logits"),
    _ctc: operators("_ctc_loss"),
    _ctc_backward: operators("_ctc_loss_backward"),
}
