"""Intermediate results inside operators that CUDA's kernels allocate and meta's do not.

Counted on the cards where requests were recorded, which is an NVIDIA H200 with PyTorch 2.11.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

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


def _as_large_as(tensor: Tensor) -> Workspace:
    size_bytes = max(1, tensor.numel() * tensor.itemsize)
    return Workspace(size_bytes, soft=False, kept=False, architectures=RECORDED)


TEMPORARIES: dict[Any, Callable[..., Iterator[Workspace]]] = {
    aten._softmax_backward_data.default: _of_softmax,
    aten.roll.default: _of_roll,
}
"""Operator overload -> what it allocates besides its results, given its arguments."""
