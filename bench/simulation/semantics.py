"""PyTorch's rules that a trace without a GPU would otherwise get wrong: how CUDA allocates, by version and precision.

A profile names one set of rules. Inside `semantics(profile, precision, device)` tensors of `device` (meta, or the
CPU's) follow them; the same code then leaves the same allocations on meta, on the CPU and on a GPU.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch.amp.grad_scaler import GradScaler

from bench.simulation import legacy
from bench.simulation.autocast import MIXED_PRECISIONS, Autocast, autocast_regions
from bench.simulation.fused_kernels import FUSED, FUSED_ATTENTION
from bench.simulation.interposition import interposed
from bench.simulation.layouts import convolution_layout
from models.naming import choose


@dataclass(frozen=True)
class Profile:
    """Rules of PyTorch and of the training loop around it that changed over the years."""

    softmax_keeps_input: bool
    """Softmax and log-softmax keep their input for backward, besides their output."""
    zeroed_gradients: bool
    """`zero_grad()` writes zeros instead of dropping the gradients."""
    gradient_buckets: bool
    """The model is wrapped in DistributedDataParallel."""
    foreach_optimizers: bool
    """Optimizers take all parameters at once, with temporaries as large as all of them."""
    shares_cublas: bool
    """cuBLAS has its workspace from PyTorch's allocator (since 1.13, pull request 83461), not from the driver."""


PROFILES = {
    "torch-2.11": Profile(
        softmax_keeps_input=False,
        zeroed_gradients=False,
        gradient_buckets=False,
        foreach_optimizers=True,
        shares_cublas=True,
    ),
    "mm-2021": Profile(
        softmax_keeps_input=True,
        zeroed_gradients=True,
        gradient_buckets=True,
        foreach_optimizers=False,
        shares_cublas=False,
    ),
}
"""torch-2.11: today's PyTorch on one GPU. mm-2021: what papers of 2020-2023 measured with mmdetection and
mmsegmentation, on PyTorch 1.x and DistributedDataParallel."""
PRECISIONS = ("fp32", *MIXED_PRECISIONS)


@contextmanager
def _foreach_default(device_types: list[str]) -> Iterator[None]:
    """Let optimizers choose their foreach form on these devices (`torch/optim/optimizer.py`)."""
    with mock.patch("torch.optim.optimizer._get_foreach_kernels_supported_devices", return_value=device_types):
        yield


@contextmanager
def _steps_without_overflow() -> Iterator[None]:
    """Let `GradScaler` step without asking the device whether a gradient overflowed: none did."""

    def step(self: Any, optimizer: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
        return optimizer.step(*args, **kwargs)

    def keep_scale(self: Any, new_scale: Any = None) -> None:
        if self.is_enabled():
            self._per_optimizer_states.clear()

    with mock.patch.multiple(GradScaler, _maybe_opt_step=step, update=keep_scale):
        yield


def _gradient_in_input_layout(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Convolutions read their output's gradient in the layout they work in, if need be from a copy.

    (`cudnn_convolution_backward` in `aten/src/ATen/native/cudnn/ConvShared.cpp`; the meta kernel makes no copy, and
    returns its gradients in the layout of the unconverted one instead.)
    """
    grad_output, input, weight, *rest = args
    layout = convolution_layout(input, weight)
    if not grad_output.is_contiguous(memory_format=layout):
        grad_output = grad_output.contiguous(memory_format=layout)
    elif layout == torch.contiguous_format:
        # A 1x1 map counts as contiguous in either layout; canonical strides keep the kernels from guessing.
        grad_output = grad_output.view(-1).view(grad_output.shape)
    return (grad_output, input, weight, *rest)


def _contiguous_gradient(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Layer norm reads its output's gradient from a contiguous copy, and returns contiguous gradients.

    (`expect_contiguous` in `aten/src/ATen/native/cuda/layer_norm_kernel.cu`; the meta kernel keeps the strides.)
    """
    grad_output, *rest = args
    return (grad_output.contiguous(), *rest)


REWRITES = {
    torch.ops.aten.convolution_backward.default: _gradient_in_input_layout,
    torch.ops.aten.native_layer_norm_backward.default: _contiguous_gradient,
}
"""Arguments as CUDA's kernels see them."""


@contextmanager
def semantics(profile: str, precision: str, device: torch.device) -> Iterator[None]:
    """Apply the rules of a profile and a precision to tensors of `device`. Raises `ValueError` for unknown names."""
    rules = PROFILES[choose("profile", profile, PROFILES)]
    choose("precision", precision, PRECISIONS)
    kernels: dict[Any, Any] = dict(FUSED)
    if rules.softmax_keeps_input:
        kernels |= legacy.SOFTMAX_KEEPS_INPUT
    if device.type != "cpu":
        kernels |= FUSED_ATTENTION
    with ExitStack() as stack:
        stack.enter_context(_foreach_default(["cuda", device.type] if rules.foreach_optimizers else []))
        if rules.zeroed_gradients:
            stack.enter_context(legacy.zeroed_gradients())
        if rules.gradient_buckets:
            stack.enter_context(legacy.gradient_buckets())
        stack.enter_context(interposed(kernels))
        stack.enter_context(autocast_regions(device.type, kernels))
        if precision in MIXED_PRECISIONS:
            stack.enter_context(Autocast(MIXED_PRECISIONS[precision], device.type, kernels).casting())
        if device.type != "cuda":
            stack.enter_context(_steps_without_overflow())
        yield
