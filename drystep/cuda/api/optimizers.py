"""Which forms of the optimizers exist on the simulated device: those of a GPU."""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from drystep.cuda.api.rare_parts import where_parts_exist
from drystep.cuda.api.redirection import copy_of, redirected
from drystep.torch_private import foreach_devices, has_kernel
from drystep.torch_replacements import capturable_devices, fused_devices

FUSED = ("_fused_adam_", "_fused_adamw_", "_fused_sgd_", "_fused_adagrad_")


def _update(*_: object, **__: object) -> None:
    """A fused update: it writes into parameters and states, without temporaries (`native/cuda/fused_*_impl.cu`)."""


@functools.cache
def register_fused_kernels() -> None:
    """Let the fused kernels run on the meta device where PyTorch has none for it. Later calls do nothing."""
    for name in (name for name in FUSED if hasattr(torch.ops.aten, name)):
        for overload in getattr(torch.ops.aten, name).overloads():
            full = name if overload == "default" else f"{name}.{overload}"
            if not has_kernel(f"aten::{full}", "Meta"):
                _LIBRARY.impl(full, _update)


_LIBRARY = torch.library.Library("aten", "IMPL", "Meta")


class _Devices(list[str]):
    """Types of devices with a kernel. What CUDA lacks, the simulated device lacks."""

    def __init__(self, devices: list[str], simulated: str) -> None:
        super().__init__(dict.fromkeys((*devices, simulated)))
        self._simulated = simulated

    def remove(self, device: str) -> None:
        super().remove(device)
        if device == "cuda" != self._simulated:
            super().remove(self._simulated)


@contextmanager
def optimizer_forms(device: torch.device, foreach_by_default: bool) -> Iterator[None]:
    """Let optimizers be fused and capturable on `device`, and by default take all parameters at once if asked to."""

    def for_all_at_once() -> list[str]:
        return ["cuda", device.type] if foreach_by_default else []

    register_fused_kernels()
    with (
        redirected({foreach_devices: for_all_at_once}),
        where_parts_exist(lambda: _among(fused_devices(), device)),
        where_parts_exist(lambda: _among(capturable_devices(), device)),
    ):
        yield


def _among(ask: Any, device: torch.device) -> AbstractContextManager[None]:
    """Add the type of `device` to those that a function of PyTorch returns."""
    original: Callable[..., list[str]] = copy_of(ask)

    def devices(*args: Any, **kwargs: Any) -> list[str]:
        return _Devices(original(*args, **kwargs), device.type)

    return redirected({ask: devices})
