"""Errors of a user's step, each in one sentence that names the line of the user's program."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from drystep.errors import SimulationError, shortened
from drystep.program.source_lines import line_of_error
from drystep.trace.recorder import BuildStep, Step

NEEDS_GPU = re.compile(r"NVIDIA driver|No CUDA GPUs|not compiled with CUDA|CUDA is not available|CUDA driver", re.I)
SILENTLY_OFF = r"(?s).*CUDA is not available\. +Disabling"
"""A warning that mixed precision does nothing. The step would run in another precision then."""
HARMLESS = (
    "'pin_memory' argument is set as true but no accelerator is found",
    "for .*: copying from a non-meta parameter in the checkpoint to a meta parameter",
)
"""Warnings about what does not matter here: whether host memory is pinned, and which values a checkpoint has."""
OF_TORCHRUN = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
"""Variables of the environment in which torchrun runs a program."""


def guarded(build_step: BuildStep) -> BuildStep:
    """Wrap `build_step` so that whatever it or its step raises becomes a `SimulationError` that names the line."""
    if not callable(build_step):
        raise SimulationError(f"build_step must be a function of a device, not {type(build_step).__name__}")

    def build(device: torch.device) -> Step:
        with _naming_failures("build_step"):
            step = build_step(device)
        if not callable(step):
            raise SimulationError(
                "build_step must return a function without arguments that is one training step, "
                f"not {type(step).__name__}"
            )

        def guarded_step() -> None:
            with _naming_failures("the step"):
                step()

        return guarded_step

    return build


@contextmanager
def _naming_failures(what: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", SILENTLY_OFF)
            for message in HARMLESS:
                warnings.filterwarnings("ignore", message)
            yield
    except Exception as error:
        line = line_of_error(error)
        raise SimulationError(f"{line or what}: {_said(what, error)}") from error


def _said(what: str, error: Exception) -> str:
    text = shortened(str(error))
    if isinstance(error, SimulationError):
        return text
    message = next(iter(text.strip().splitlines()), "")
    if isinstance(error, KeyError) and error.args and error.args[0] in OF_TORCHRUN:
        name = error.args[0]
        return f"{what} reads {name} from the environment, which torchrun sets: set it yourself, such as {name}=0"
    if isinstance(error, Warning) and NEEDS_GPU.search(message):
        return f"this does nothing without a GPU: state the precision with precision=..., or --precision ({message})"
    if NEEDS_GPU.search(text):
        return f"this needs a GPU, and a simulation has none: use the device that build_step is given ({message})"
    return f"{what} raised {type(error).__name__}" + (f": {message}" if message else "")
