"""What older versions of PyTorch kept, wrote and allocated, as far as it affects memory.

`drystep.cuda.rules` says which versions did what.
"""

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from drystep.cuda.dispatch import Replacements, composed
from drystep.cuda.fused_kernels import aten, widens

_replicated: set[int] = set()
_with_buckets: weakref.WeakSet[Any] = weakref.WeakSet()
FIRST_BUCKET_BYTES = 1 << 20
BUCKET_BYTES = 25 << 20
"""Sizes of DistributedDataParallel's buckets (`bucket_cap_mb` and `dist._DEFAULT_FIRST_BUCKET_BYTES`)."""


class _KeepInput(torch.autograd.Function):
    """Softmax or log-softmax that keeps its input for backward as well as its output.

    `tools/autograd/derivatives.yaml` of PyTorch 1.x passed `self` to `_softmax_backward_data`; newer versions pass
    only its dtype.
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, forward: Any, backward: Any, dim: int, half_to_float: bool) -> Tensor:
        output = forward(input, dim, half_to_float)
        ctx.save_for_backward(input, output)
        ctx.backward_operator, ctx.dim = backward, dim
        return output

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None]:
        input, output = ctx.saved_tensors
        return ctx.backward_operator(grads[0], output, ctx.dim, input.dtype), None, None, None, None


def softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Softmax with the derivative of PyTorch 1.x."""
    return _keep_input(aten._softmax.default, aten._softmax_backward_data.default, input, dim, dtype)


def log_softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Log-softmax with the derivative of PyTorch 1.x."""
    return _keep_input(aten._log_softmax.default, aten._log_softmax_backward_data.default, input, dim, dtype)


def _keep_input(forward: Any, backward: Any, input: Tensor, dim: int, dtype: torch.dtype | None) -> Tensor:
    half_to_float = widens(input, dtype)
    if dtype is not None and not half_to_float:
        input = input.to(dtype)
    return _KeepInput.apply(input, forward, backward, dim, half_to_float)


SOFTMAX_KEEPS_INPUT: Replacements = {aten.softmax.int: softmax, aten.log_softmax.int: log_softmax}


class _ReluKeepsInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:
        ctx.save_for_backward(input)
        return aten.relu.default(input)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (input,) = ctx.saved_tensors
        return aten.threshold_backward.default(grads[0], input, 0)


RELU_KEEPS_INPUT: Replacements = {aten.relu.default: _ReluKeepsInput.apply}


@composed
def explicit_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention with all its weights (B, heads, L, S), as `_scaled_dot_product_attention` of 1.x computed it.

    Source: `torch/nn/functional.py` of 1.12. `enable_gqa` and `scale` are of later versions.
    """
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(repeats, -3), value.repeat_interleave(repeats, -3)
    query = query / query.shape[-1] ** 0.5 if scale is None else query * scale
    weights = torch.matmul(query, key.transpose(-2, -1))
    if is_causal:
        attn_mask = torch.ones(weights.shape[-2:], dtype=torch.bool, device=weights.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(attn_mask.logical_not(), float("-inf"))
    if attn_mask is not None:
        weights = weights + attn_mask
    weights = torch.softmax(weights, -1)
    if dropout_p > 0:
        weights = torch.dropout(weights, dropout_p, True)
    return torch.matmul(weights, value)


WRITES_ATTENTION: Replacements = {aten.scaled_dot_product_attention.default: explicit_attention}


@contextmanager
def zeroed_gradients() -> Iterator[None]:
    """Make `set_to_none=False` the default of `zero_grad` of optimizers and modules."""
    of_optimizer, of_module = Optimizer.zero_grad, nn.Module.zero_grad

    def zero_optimizer(self: Optimizer, set_to_none: bool = False) -> None:
        of_optimizer(self, set_to_none)

    def zero_module(self: nn.Module, set_to_none: bool = False) -> None:
        of_module(self, set_to_none)

    with (
        mock.patch.object(Optimizer, "zero_grad", zero_optimizer),
        mock.patch.object(nn.Module, "zero_grad", zero_module),
    ):
        yield


@contextmanager
def gradient_buckets() -> Iterator[None]:
    """Allocate DistributedDataParallel's gradient buckets with every optimizer that is created.

    A replica holds a second copy of all its gradients, divided into buckets in the order in which they become ready,
    last parameters first (`Reducer::initialize_buckets` in `torch/csrc/distributed/c10d/reducer.cpp`). A single
    process has nothing to reduce, so the buckets are never read here. Where the program itself makes replicas, these
    have the buckets.
    """
    build = Optimizer.__init__
    _replicated.clear()

    def build_with_buckets(self: Any, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        parameters = [p for group in self.param_groups for p in group["params"]]
        trained = [p for p in parameters if p.requires_grad and id(p) not in _replicated]
        self.gradient_buckets = [
            torch.empty(elements, dtype=like.dtype, device=like.device) for elements, like in bucket_sizes(trained)
        ]
        _with_buckets.add(self)

    with mock.patch.object(Optimizer, "__init__", build_with_buckets):
        try:
            yield
        finally:
            _with_buckets.clear()


def leave_buckets_to_replica(parameters: Iterable[Tensor]) -> None:
    """Say that a replica which the program makes has the buckets of these parameters.

    Optimizers that are made before it or after it have none for them then.
    """
    _replicated.update(id(parameter) for parameter in parameters)
    for optimizer in list(_with_buckets):
        if any(id(parameter) in _replicated for group in optimizer.param_groups for parameter in group["params"]):
            optimizer.gradient_buckets = []


def bucket_sizes(parameters: Sequence[Tensor]) -> list[tuple[int, Tensor]]:
    """Return the number of elements of each bucket, with a parameter that has the bucket's dtype and device.

    The parameter that fills a bucket is the last one in it (`compute_bucket_assignment_by_size` in reducer.cpp).
    """
    buckets: list[tuple[int, Tensor]] = []
    elements, size_bytes, limit_bytes = 0, 0, FIRST_BUCKET_BYTES
    for parameter in reversed(parameters):
        elements += parameter.numel()
        size_bytes += parameter.numel() * parameter.element_size()
        if size_bytes >= limit_bytes:
            buckets.append((elements, parameter))
            elements, size_bytes, limit_bytes = 0, 0, BUCKET_BYTES
    if elements:
        buckets.append((elements, parameters[0]))
    return buckets
