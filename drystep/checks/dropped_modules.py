"""Modules that `build_step` made on the device and that Python collects before the first step.

A copy of the model for an exponential moving average is one, if the step does not refer to it. Its memory is missing
from the figures then.
"""

import functools
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from drystep.torch_private import storage_key
from drystep.trace.made_modules import noting_modules


class DroppedModules:
    """Watches modules that are made, and what is left of them when the function that made them returns.

    Modules that die earlier are temporary. Only those count that a variable of `build_step` itself holds to its end:
    Python clears variables after it has left the function's frame, so the frame that runs then is the caller's.
    """

    def __init__(self, device: torch.device) -> None:
        self._device_type = device.type
        self._watched: dict[int, _Watched] = {}
        self._caller: FrameType | None = None
        self._names: list[str] = []
        self._parts: set[int] = set()
        self._lost_bytes = 0
        self._tensors: list[tuple[weakref.ref[Tensor], int, int]] = []

    @contextmanager
    def watching(self, caller: FrameType) -> Iterator[None]:
        """Watch the modules that are made until the context ends. The function that makes them is called by `caller`.

        The end of the context must follow the function's return at once.
        """
        self._caller = caller
        with noting_modules(self._watch):
            try:
                yield
            finally:
                self._caller = None
                self._watched.clear()
                self._lost_bytes = self._count()
                self._tensors.clear()

    @property
    def warning(self) -> str:
        """A sentence about such modules; "" if there are none."""
        if not self._lost_bytes:
            return ""
        names = " and ".join(dict.fromkeys(self._names))
        return (
            f"build_step makes {names} with {self._lost_bytes:,} bytes on the device that the step does not refer to: "
            "Python collects it before the first step, so it is missing from the figures; let the step refer to it"
        )

    def _count(self) -> int:
        """Bytes of the tensors that died with their modules: an optimizer may have the parameters of others."""
        sizes = {key: size_bytes for tensor, key, size_bytes in self._tensors if tensor() is None}
        return sum(sizes.values())

    def _watch(self, module: nn.Module) -> None:
        key = id(module)
        self._watched[key] = _Watched(module, functools.partial(self._died, key))

    def _died(self, key: int, _: object) -> None:
        watched = self._watched.pop(key, None)
        if watched is None or sys._getframe(1) is not self._caller:
            return
        parts = {id(part) for part in watched.modules.values()}
        tensors = [
            tensor
            for tensor in (*watched.parameters.values(), *watched.buffers.values())
            if isinstance(tensor, Tensor) and tensor.device.type == self._device_type
        ]
        if key not in self._parts:
            self._names.append(watched.name)
        self._parts |= parts
        for tensor in tensors:
            self._tensors.append((weakref.ref(tensor), storage_key(tensor), tensor.untyped_storage().nbytes()))


class _Watched:
    """What a module holds, and a weak reference to it that calls `died`. What it holds outlives it until then."""

    def __init__(self, module: nn.Module, died: Callable[[weakref.ref[nn.Module]], None]) -> None:
        fields = vars(module)
        self.name = type(module).__name__
        self.parameters: dict[str, Any] = fields["_parameters"]
        self.buffers: dict[str, Any] = fields["_buffers"]
        self.modules: dict[str, Any] = fields["_modules"]
        self._reference = weakref.ref(module, died)
