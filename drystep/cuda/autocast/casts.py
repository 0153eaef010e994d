"""Automatic mixed precision as on CUDA, on devices for which PyTorch has none: `torch.autocast`, and Apex O1.

Only forward passes cast; backward follows the casts that forward recorded. A forward pass that is recomputed in
backward (activation checkpointing) casts as well.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.weak import WeakTensorKeyDictionary

from drystep.cuda.autocast.lists import APEX, CastLists, pytorch_lists
from drystep.cuda.dispatch import Replacements, Rule, interposed
from drystep.operators import registered_with_cast
from drystep.torch_private import current_graph_task_id, is_view, tree_map
from drystep.torch_replacements import replacing_run_backward, running_backward


@dataclass(frozen=True)
class Precision:
    """Settings of one kind of mixed-precision training."""

    dtype: torch.dtype
    """Half-precision type in which the listed operators compute."""
    own_lists: CastLists | None
    """Lists that are not those of PyTorch's version."""
    caches: Literal["trained", "parameters"]
    """Which weights have their half-precision copy cached: trainable leaf tensors (`cached_cast` in
    `aten/src/ATen/autocast_mode.cpp`), or all parameters, frozen ones too (`should_cache` in `apex/amp/utils.py`)."""
    keeps_cache_in_backward: bool
    """Whether the cached copies live through backward. Apex clears its cache after backward, when the context of the
    scaled loss ends; `torch.autocast` clears it when its own context ends."""
    scales_loss: bool
    """Whether gradients would underflow without a loss scale."""
    patches_gelu: bool = False
    """Whether `torch.nn.functional.gelu` computes in float32. Apex replaces that attribute; code that imported the
    function itself keeps PyTorch's version, which computes in the type of its input."""


MIXED_PRECISIONS: dict[str, Precision] = {
    "amp-fp16": Precision(torch.float16, None, "trained", keeps_cache_in_backward=False, scales_loss=True),
    "amp-bf16": Precision(torch.bfloat16, None, "trained", keeps_cache_in_backward=False, scales_loss=False),
    "apex-o1": Precision(
        torch.float16, APEX, "parameters", keeps_cache_in_backward=True, scales_loss=True, patches_gelu=True
    ),
}


class Autocast:
    """Applies the casts of one precision to tensors of one device type.

    `kernels` are further rules: each replaces its operator after the arguments have been cast. `version` is that of
    the PyTorch whose lists count.
    """

    def __init__(self, precision: Precision, device_type: str, kernels: Replacements, version: tuple[int, int]) -> None:
        self._precision = precision
        self._lists = precision.own_lists or pytorch_lists(version)
        self._kernels = kernels
        self._device_type = device_type
        self._cache = WeakTensorKeyDictionary()
        self._optimizing = False
        self._recomputing = 0

    @contextmanager
    def casting(self, whole_step: bool = True) -> Iterator[None]:
        """Cast in every forward pass until the context ends.

        With `whole_step` the context stands for a region in each forward pass: the cached copies of weights are freed
        when backward starts, or with Apex when it ends. Those of a region that the step itself opens live until it
        ends (`clear_cache` in `torch/amp/autocast_mode.py`), also where backward runs in it.
        """
        run_backward = running_backward()

        def backward(*args: Any, **kwargs: Any) -> Any:
            if not whole_step:
                return run_backward(*args, **kwargs)
            if not self._precision.keeps_cache_in_backward:
                self._cache.clear()
            try:
                return run_backward(*args, **kwargs)
            finally:
                self._cache.clear()

        began_in_backward = current_graph_task_id() != -1  # checkpointing enters again the region of its forward pass
        self._recomputing += began_in_backward
        gelu = self._widened(F.gelu) if self._precision.patches_gelu else F.gelu
        handles = (
            register_optimizer_step_pre_hook(self._optimizer_starts),
            register_optimizer_step_post_hook(self._optimizer_ends),
        )
        try:
            with (
                replacing_run_backward(backward),
                mock.patch.object(F, "gelu", gelu),
                self._noting_recomputation(),
                interposed(self._rules()),
            ):
                yield
        finally:
            self._recomputing -= began_in_backward
            self._cache.clear()
            for handle in handles:
                handle.remove()

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """Cast nothing until the context ends."""
        with interposed({operator: self._kernels.get(operator, operator) for operator in self._rules()}):
            yield

    @contextmanager
    def _noting_recomputation(self) -> Iterator[None]:
        """Note when backward enables gradients: what runs then is a forward pass, also where it disables them again."""
        enter, leave = torch.enable_grad.__enter__, torch.enable_grad.__exit__

        def noted_enter(region: Any) -> None:
            region.in_backward = current_graph_task_id() != -1
            self._recomputing += region.in_backward
            enter(region)

        def noted_leave(region: Any, *error: Any) -> None:
            self._recomputing -= region.in_backward
            leave(region, *error)

        with mock.patch.multiple(torch.enable_grad, __enter__=noted_enter, __exit__=noted_leave):
            yield

    def _rules(self) -> dict[Any, Rule]:
        lists = self._lists
        casts = (
            ((*lists.lower, *registered_with_cast("half")), self._lowered),
            ((*lists.fp32, *registered_with_cast("float32")), self._widened),
            (lists.fp32_dtype, self._asked_for_fp32),
            ((*lists.widest, *registered_with_cast("widest")), self._promoted),
        )
        appended = {op: self._with_type(op, typed) for op, typed in lists.fp32_appended.items()}
        banned = dict.fromkeys(lists.banned, self._banned)
        return (
            appended | banned | {op: cast(self._kernels.get(op, op)) for operators, cast in casts for op in operators}
        )

    def _optimizer_starts(self, *_: object) -> None:
        self._optimizing = True

    def _optimizer_ends(self, *_: object) -> None:
        self._optimizing = False

    def _in_forward(self) -> bool:
        return not self._optimizing and (current_graph_task_id() == -1 or self._recomputing > 0)

    def _lowered(self, kernel: Rule) -> Rule:
        return self._cast_arguments(kernel, self._to_half)

    def _widened(self, kernel: Rule) -> Rule:
        return self._cast_arguments(kernel, self._to_fp32)

    def _cast_arguments(self, kernel: Rule, cast: Callable[[Any], Any]) -> Rule:
        def rule(*args: Any, **kwargs: Any) -> Any:
            if self._in_forward():
                args, kwargs = tree_map(cast, args), tree_map(cast, kwargs)
            return kernel(*args, **kwargs)

        return rule

    def _asked_for_fp32(self, kernel: Rule) -> Rule:
        def rule(*args: Any, **kwargs: Any) -> Any:
            if self._in_forward() and self._is_eligible(args[0]):
                args, kwargs = _with_dtype(args, kwargs)
            return kernel(*args, **kwargs)

        return rule

    def _with_type(self, operator: Any, typed: Any) -> Rule:
        def rule(*args: Any, **kwargs: Any) -> Any:
            if self._in_forward() and self._is_eligible(args[0]):
                return typed(*args, **kwargs, dtype=torch.float32)
            return operator(*args, **kwargs)

        return rule

    def _banned(self, *args: Any, **kwargs: Any) -> Any:
        if self._in_forward() and any(self._is_eligible(value) for value in args):
            raise RuntimeError(
                "binary_cross_entropy and BCELoss are unsafe under autocast, and PyTorch refuses them: take "
                "binary_cross_entropy_with_logits or BCEWithLogitsLoss"
            )
        return torch.ops.aten.binary_cross_entropy.default(*args, **kwargs)

    def _promoted(self, kernel: Rule) -> Rule:
        def rule(*args: Any, **kwargs: Any) -> Any:
            tensors = [value for value in (*args, *kwargs.values()) if self._is_eligible(value)]
            if self._in_forward() and any(tensor.dtype == torch.float32 for tensor in tensors):
                args, kwargs = tree_map(self._to_fp32, args), tree_map(self._to_fp32, kwargs)
            return kernel(*args, **kwargs)

        return rule

    def _is_eligible(self, value: Any) -> bool:
        return (
            isinstance(value, Tensor)
            and value.is_floating_point()
            and value.dtype != torch.float64
            and value.device.type == self._device_type
        )

    def _to_fp32(self, value: Any) -> Any:
        return value.to(torch.float32) if self._is_eligible(value) else value

    def _to_half(self, value: Any) -> Any:
        if not self._is_eligible(value) or value.dtype == self._precision.dtype:
            return value
        if not self._is_cached(value):
            return value.to(self._precision.dtype)
        copy = self._cache.get(value)
        # A copy that was made without a graph (evaluation, checkpointing) cannot pass a gradient to its weight.
        if copy is None or (torch.is_grad_enabled() and copy.requires_grad != value.requires_grad):
            copy = self._cache[value] = value.to(self._precision.dtype)
        return copy

    def _is_cached(self, tensor: Tensor) -> bool:
        if tensor.dtype != torch.float32:
            return False
        if self._precision.caches == "parameters":
            return isinstance(tensor, nn.Parameter)
        return tensor.requires_grad and tensor.is_leaf and not is_view(tensor)


def _with_dtype(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Add `dtype=torch.float32` unless a dtype is given: softmax takes it as third argument, the others by name."""
    if len(args) > 2 and isinstance(args[2], torch.dtype):
        return args, kwargs
    if len(args) > 2 and args[2] is None:
        args = args[:2]
    return args, {**kwargs, "dtype": kwargs.get("dtype") or torch.float32}
