"""Intermediate results inside operators that CUDA's kernels allocate and meta's do not.

Those whose requests were recorded count on the cards of the recording, which is an NVIDIA H200 with PyTorch 2.11. Those
that follow from the source of a kernel count on all.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.cuda.missing.ctc_loss import ends_of_ctc_loss
from drystep.cuda.scratch.multiprocessors import MULTIPROCESSORS
from drystep.operators import Workspace

aten = torch.ops.aten
RECORDED = tuple(MULTIPROCESSORS)
"""Compute capabilities of the cards whose requests were recorded."""


def _of_softmax(grad_output: Tensor, *_: Any) -> Iterator[Workspace]:
    """Yield the product of gradient and output (`softmax_backward_cuda_out` in `native/cuda/SoftMax.cu`)."""
    yield _as_large_as(grad_output)


def _of_roll(input: Tensor, shifts: Sequence[int] | int, dims: Sequence[int] = (), *_: Any) -> Iterator[Workspace]:
    """Yield what all dimensions but the last give: they are rolled one by one (`roll_common` in `native/roll`)."""
    if len(dims) > 1:
        yield _as_large_as(input)


def _of_logsumexp(input: Tensor, *_: Any) -> Iterator[Workspace]:
    """Yield the exponentials, which are summed (`logsumexp_out_impl` in `native/ReduceOps.cpp`)."""
    yield Workspace(max(1, input.numel() * input.itemsize), soft=False, kept=False)


def _of_safe_softmax(input: Tensor, *_: Any) -> Iterator[Workspace]:
    """Yield the softmax and its mask, before rows of no score become 0 (`_safe_softmax` in `native/SoftMax.cpp`)."""
    yield Workspace(max(1, input.numel() * (input.itemsize + 1)), soft=False, kept=False)


def _as_large_as(tensor: Tensor) -> Workspace:
    size_bytes = max(1, tensor.numel() * tensor.itemsize)
    return Workspace(size_bytes, soft=False, kept=False, architectures=RECORDED)


TEMPORARIES: dict[Any, Callable[..., Iterator[Workspace]]] = {
    aten._softmax_backward_data.default: _of_softmax,
    aten.roll.default: _of_roll,
    aten.logsumexp.default: _of_logsumexp,
    aten._safe_softmax.default: _of_safe_softmax,
    aten._ctc_loss_backward.default: ends_of_ctc_loss,
    aten._ctc_loss_backward.Tensor: ends_of_ctc_loss,
}
"""Operator overload -> what it allocates besides its results, given its arguments."""
