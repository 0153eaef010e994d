"""What a program asks of autocast on "cuda" besides its regions (`drystep/cuda/autocast/regions.py`)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

import torch

from drystep.cuda.api.rare_parts import where_parts_exist
from drystep.cuda.api.redirection import copy_of, redirected
from drystep.torch_replacements import cast_arguments


@contextmanager
def autocast_questions(device: torch.device) -> Iterator[None]:
    """Answer for the simulated device what is asked of "cuda".

    `torch.get_autocast_gpu_dtype` tells the half-precision type, and `custom_fwd(device_type="cuda", cast_inputs=...)`
    casts its inputs.
    """

    def casting() -> AbstractContextManager[None]:
        original = cast_arguments()
        cast: Callable[..., Any] = copy_of(original)

        def cast_simulated(value: Any, device_type: str, dtype: torch.dtype) -> Any:
            return cast(value, device.type if device_type == "cuda" else device_type, dtype)

        return redirected({original: cast_simulated})

    def gpu_dtype() -> torch.dtype:
        return torch.get_autocast_dtype("cuda")

    casts = where_parts_exist(casting, (torch.amp.autocast_mode, "custom_fwd"))
    with casts, mock.patch.object(torch, "get_autocast_gpu_dtype", gpu_dtype):
        yield
