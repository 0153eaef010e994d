"""`torch.autocast` regions inside a simulated step, and what PyTorch says of the state in them."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch

from drystep.cuda.autocast.casts import MIXED_PRECISIONS, Autocast
from drystep.cuda.dispatch import Replacements


@contextmanager
def autocast_regions(
    simulated_type: str, kernels: Replacements, precision: str, version: tuple[int, int]
) -> Iterator[None]:
    """Make `torch.autocast` regions inside the step, for `simulated_type` or "cuda", cast as they do on a GPU.

    Without CUDA, `torch.autocast` rejects the meta device, and for "cuda" it disables itself with only a warning.
    PyTorch's questions about the state are answered, too: activation checkpointing asks them to enter the same region
    again in backward (`torch/utils/checkpoint.py`). A region that changes nothing, such as that one in a step that is
    cast as a whole, shares the cached weights of the one around it. `precision` is that of the whole step.
    """
    build, enter, leave = torch.autocast.__init__, torch.autocast.__enter__, torch.autocast.__exit__
    is_available, is_enabled = torch.amp.autocast_mode.is_autocast_available, torch.is_autocast_enabled
    get_dtype = torch.get_autocast_dtype
    of_step = MIXED_PRECISIONS.get(precision)
    dtypes = [of_step.dtype if of_step is not None and of_step.own_lists is None else None]
    """Half-precision types of the regions that are entered, the innermost last; None where nothing is cast."""

    def init(
        self: Any, device_type: str, dtype: torch.dtype | None = None, enabled: bool = True, **kwargs: Any
    ) -> None:
        self.simulated = device_type in (simulated_type, "cuda")
        if not self.simulated:
            build(self, device_type, dtype, enabled, **kwargs)
            return
        name = "amp-bf16" if dtype == torch.bfloat16 else "amp-fp16"
        self.casts = Autocast(MIXED_PRECISIONS[name], simulated_type, kernels, version)
        self.lowers_to = MIXED_PRECISIONS[name].dtype if enabled else None

    def simulated_enter(self: Any) -> Any:
        if not hasattr(self, "simulated"):
            if simulates(self.device):  # PyTorch has disabled it, because it found no GPU
                raise RuntimeError("this autocast region was made outside of build_step: make it in there")
            self.simulated = False
        if not self.simulated:
            return enter(self)
        if self.lowers_to == dtypes[-1]:
            self.region = nullcontext()
        else:
            self.region = self.casts.pausing() if self.lowers_to is None else self.casts.casting(whole_step=False)
        self.region.__enter__()
        dtypes.append(self.lowers_to)
        return self

    def simulated_exit(self: Any, *error: Any) -> Any:
        if not self.simulated:
            return leave(self, *error)
        dtypes.pop()
        return self.region.__exit__(*error)

    def simulates(device_type: str) -> bool:
        return device_type in (simulated_type, "cuda")

    def available(device_type: str) -> bool:
        return simulates(device_type) or is_available(device_type)

    def enabled_for(device_type: str = "cuda") -> bool:
        return dtypes[-1] is not None if simulates(device_type) else is_enabled(device_type)

    def dtype_for(device_type: str) -> torch.dtype:
        if not simulates(device_type):
            return get_dtype(device_type)
        return dtypes[-1] or torch.float16

    with (
        mock.patch.multiple(torch.autocast, __init__=init, __enter__=simulated_enter, __exit__=simulated_exit),
        mock.patch.object(torch.amp, "is_autocast_available", available),
        mock.patch.multiple(torch, is_autocast_enabled=enabled_for, get_autocast_dtype=dtype_for),
    ):
        yield
