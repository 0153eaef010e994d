"""Hugging Face's Accelerate, and the Trainer of transformers on top of it: they place models on a GPU if there is one.

In a simulation their device is the simulated one, and they treat it as CUDA.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from torch.amp.grad_scaler import GradScaler

from drystep.cuda.programs.imported import Change, changed_modules

DEVICE_VARIABLE = "ACCELERATE_TORCH_DEVICE"
"""The environment's variable by which Accelerate and transformers are told their device."""
STATES = ("PartialState", "AcceleratorState", "GradientState")
STORE = "_shared_state"
"""Attribute of Accelerate's states with what all their objects share, for the whole process."""


@contextmanager
def accelerate_on(device: torch.device) -> Iterator[None]:
    """Make Accelerate and the Trainer place models and batches on `device`, with CUDA's mixed precision."""
    before = os.environ.get(DEVICE_VARIABLE)
    os.environ[DEVICE_VARIABLE] = device.type
    changes: dict[str, Change] = {
        "accelerate.state": functools.partial(_own_states, device),
        "accelerate.accelerator": functools.partial(_as_on_cuda, device),
        "transformers.training_args": _with_bfloat16,
    }
    try:
        with changed_modules(changes):
            yield
    finally:
        if before is None:
            os.environ.pop(DEVICE_VARIABLE, None)
        else:
            os.environ[DEVICE_VARIABLE] = before


def _own_states(device: torch.device, module: ModuleType, undo: ExitStack) -> None:
    """Keep what the simulation does from the states of the process. Objects that exist get the simulated device."""
    for name in STATES:
        shared = getattr(getattr(module, name, None), STORE, None)
        if shared is None:  # other releases may keep states elsewhere
            continue
        undo.callback(_restore, shared, dict(shared))
        if "device" in shared:
            shared["device"] = device


def _restore(shared: dict[str, Any], before: dict[str, Any]) -> None:
    shared.clear()
    shared.update(before)


def _as_on_cuda(device: torch.device, module: ModuleType, undo: ExitStack) -> None:
    """Let an `Accelerator` choose its mixed precision as for CUDA, with a scaler for the device."""
    accelerator = module.Accelerator
    build = accelerator.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        if options.get("cpu"):
            raise ValueError(
                "Accelerator(cpu=True) trains on the CPU: a simulation is of the GPU, so leave cpu=True out"
            )
        with mock.patch.object(accelerator, "device", torch.device("cuda")):
            build(self, *args, **options)

    def scaler(distributed_type: Any = None, **options: Any) -> GradScaler:
        return GradScaler(device.type, **options)

    undo.enter_context(mock.patch.object(accelerator, "__init__", init))
    if hasattr(module, "get_grad_scaler"):
        undo.enter_context(mock.patch.object(module, "get_grad_scaler", scaler))


def _with_bfloat16(module: ModuleType, undo: ExitStack) -> None:
    """Let `TrainingArguments` accept bfloat16, which it asks the first GPU about."""
    if hasattr(module, "is_torch_bf16_gpu_available"):
        undo.enter_context(mock.patch.object(module, "is_torch_bf16_gpu_available", lambda: True))
