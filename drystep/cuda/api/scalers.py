"""Gradient scalers of the GPU: they scale on the simulated device, and no gradient ever overflows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler

from drystep.cuda.api.devices import simulated
from drystep.cuda.api.rare_parts import where_parts_exist
from drystep.cuda.api.redirection import copy_of, redirected
from drystep.torch_replacements import (
    first_growth_tracker,
    first_scale,
    forget_unscaled,
    get_growth_tracker,
    replacing_scaler,
)


@contextmanager
def gradient_scalers(device: torch.device) -> Iterator[None]:
    """Make scalers for "cuda" scale on the simulated device, and step without asking it whether a gradient overflowed.

    The scale stays what it was at first: what raises or lowers it is not known.
    """
    begin: Callable[..., None] = copy_of(GradScaler.__init__)

    def init(self: Any, device_type: str = "cuda", *args: Any, **kwargs: Any) -> None:
        of_simulated = simulated(kwargs.pop("device", device_type), device)
        begin(self, getattr(of_simulated, "type", of_simulated), *args, **kwargs)

    def step(self: Any, optimizer: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
        return optimizer.step(*args, **kwargs)

    def keep_scale(self: Any, new_scale: Any = None) -> None:
        if self.is_enabled():
            forget_unscaled(self)

    def get_scale(self: Any) -> float:
        return first_scale(self) if self.is_enabled() else 1.0

    @contextmanager
    def scaling() -> Iterator[None]:
        redirections: dict[Any, Callable[..., Any]] = {
            GradScaler.__init__: init,
            GradScaler.get_scale: get_scale,
            get_growth_tracker(): first_growth_tracker,
        }
        with replacing_scaler(step, keep_scale), redirected(redirections):
            yield

    with where_parts_exist(scaling, (GradScaler, "__init__")):
        yield
