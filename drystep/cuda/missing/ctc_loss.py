"""Connectionist temporal classification: PyTorch's own kernels, which CUDA takes unless the targets are int32."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.cuda.dispatch import Replacements
from drystep.operators import Workspace
from drystep.values.ask import Ask

aten = torch.ops.aten
Lengths = Sequence[int] | Tensor
"""Length of each sequence of a batch, as numbers or in a tensor."""


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    zero_infinity: bool = False,
) -> tuple[Tensor, Tensor]:
    """Losses (B,) and log-probabilities of all beginnings (B, T, 2 L + 1), as `cuda/LossCTC.cu` allocates them.

    `log_probs` is (T, B, classes), L the length of the longest target. Targets in one row are taken to be equally long
    where their lengths are on the device and nothing is known of them.
    """
    times, batch = log_probs.shape[:2]
    beginnings = log_probs.new_empty((batch, times, 2 * _longest(targets, target_lengths, batch) + 1))
    return log_probs.new_empty(batch), beginnings


def _longest(targets: Tensor, lengths: Lengths, batch: int) -> int:
    if targets.dim() == 2:
        return targets.shape[1]
    if not isinstance(lengths, Tensor):
        return max(lengths, default=0)
    if lengths.is_meta:
        return -(-len(targets) // max(1, batch))
    return int(lengths.max())


def answer_ctc_loss(
    ask: Ask, log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor, *options: Any
) -> Any:
    """The loss of targets in one row; how long the longest is, is known or asked for, of at most all labels."""
    if targets.dim() == 2 or not target_lengths.is_meta:
        return NotImplemented
    known = ask.known(target_lengths)
    even = _longest(targets, target_lengths, log_probs.shape[1])
    longest = ask.rows(target_lengths, None, len, fallback=even).total if known is None else int(known.max())
    return ctc_loss(log_probs, targets, (), [longest], *options)


def ctc_loss_backward(grad: Tensor, log_probs: Tensor, *_: Any) -> Tensor:
    """Gradient of the log-probabilities, in contiguous order."""
    return torch.empty_like(log_probs, memory_format=torch.contiguous_format)


def ends_of_ctc_loss(
    grad: Tensor, log_probs: Tensor, targets: Tensor, input_lengths: Lengths, target_lengths: Lengths,
    losses: Tensor, beginnings: Tensor, *_: Any,
) -> Iterator[Workspace]:  # fmt: skip
    """Yield what backward allocates beside the gradient: log-probabilities of all ends, as many as of beginnings."""
    yield Workspace(max(1, beginnings.numel() * beginnings.element_size()), soft=False, kept=False)


def _lengths_as_numbers(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Tensor:
    """Read lengths on the host, as `ctc_loss` does in `native/LossCTC.cpp` unless something watches the operators."""
    read = not (input_lengths.is_meta or target_lengths.is_meta)
    operator = aten.ctc_loss.IntList if read else aten.ctc_loss.Tensor
    lengths = [each.tolist() if read else each for each in (input_lengths, target_lengths)]
    return operator(log_probs, targets, *lengths, blank, reduction, zero_infinity)


READING_LENGTHS: Replacements = {aten.ctc_loss.Tensor: _lengths_as_numbers}
"""The operator that chooses a kernel by where the lengths are."""
