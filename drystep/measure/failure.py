"""What can go wrong in a child process, and which of it an exception is."""

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from drystep.errors import shortened

FailureKind = Literal["refused", "out_of_memory", "exception", "cuda_error", "signal", "exit", "timeout"]

OUT_OF_MEMORY_MARKS = (
    "out of memory",
    "can't allocate memory",  # c10's CPU allocator
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "NVML_SUCCESS == r",  # the caching allocator's assertion on MIG instances (huggingface/accelerate issue 3803)
)
"""How libraries below PyTorch say that memory ran out; PyTorch's own allocator has an exception type for it."""
DETAIL_CHARACTERS = 4000
"""What is kept of the end of a traceback, or of what a process wrote."""
CUDA_MARKS = ("CUDA error", "CUDA driver error", "cuDNN error", "CUBLAS_STATUS", "CUDNN_STATUS")


@dataclass(frozen=True)
class Failure:
    """How a child process failed."""

    kind: FailureKind
    message: str
    """One line, not much longer than `drystep.errors.LONGEST_MESSAGE`."""
    phase: str
    """What the child was doing, as it last said: opening, build, forward, backward, optimizer, timing."""
    so_far: Mapping[str, Any] = field(default_factory=dict)
    """What the session had measured until then, if it could still tell."""
    detail: str = ""
    """End of what the child wrote to stderr, or its traceback."""


class ChildError(Exception):
    """A child process failed; its `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def kind_of(error: BaseException) -> FailureKind:
    """Tell memory that ran out and errors that spoil the CUDA context from all others."""
    text = _text_of(error)
    torch = sys.modules.get("torch")  # what did not import it cannot raise its errors
    if isinstance(error, MemoryError) or any(mark in text for mark in OUT_OF_MEMORY_MARKS):
        return "out_of_memory"
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return "out_of_memory"
    if any(mark in text for mark in CUDA_MARKS) or (torch is not None and isinstance(error, torch.AcceleratorError)):
        return "cuda_error"
    return "exception"


def describe(error: BaseException) -> str:
    """Type and message in one line, also of an error that cannot tell its message; a long one is cut."""
    return " ".join(f"{type(error).__name__}: {shortened(_text_of(error))}".split()).removesuffix(":")


def describe_exit(status: int) -> tuple[FailureKind, str]:
    """What the exit status of a process that died without a word means (negative: the number of a signal)."""
    if status >= 0:
        return "exit", f"the process exited with status {status} in the middle of its work"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (the system does so when the machine's memory has run out)" if name == "SIGKILL" else ""
    return "signal", f"the process was killed by {name}{hint}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an error's own __str__ may fail
        return "(its message cannot be shown)"
