"""What other estimators say of the step of a published figure."""

import torch

from drystep.trace.recorder import BuildStep
from drystep.trace.trace import Trace
from drystep.validation import memtracker

HALF = (torch.float16, torch.bfloat16)
FP32_BYTES = 4
COPIES_IN_FP32, COPIES_IN_HALF = 4, 2
"""How often the parameters count, in float32: weights, gradients and Adam's two moments; with half precision, the
largest of the parts that the command adds up separately, which are the two moments."""


def accelerate_bytes(trace: Trace) -> int:
    """What `accelerate estimate-memory` prints under "Training using Adam" for the parameters of a traced step.

    A step with tensors in half precision counts as that command's dtype float16. The command knows neither the batch
    nor the optimizer. Source: `estimate_training_usage` and `estimate_command` in
    `src/accelerate/commands/estimate.py` of accelerate 1.15.
    """
    alive = (trace.allocations[index] for index in trace.alive_after(len(trace.events) - 1))
    parameters = [allocation for allocation in alive if allocation.category == "parameters"]
    elements = sum(part.requested_bytes // (part.dtype or torch.float32).itemsize for part in parameters)
    return FP32_BYTES * elements * (COPIES_IN_HALF if _has_half(trace) else COPIES_IN_FP32)


def memtracker_bytes(build_step: BuildStep, trace: Trace) -> tuple[int | None, str]:
    """Peak of PyTorch's `MemTracker` for a step that was traced, or None and the reason why there is none.

    It follows the installed PyTorch in single precision, and asks for the `model` and the `optimizer` of the step.
    """
    if _has_half(trace):
        return None, "MemTracker cannot follow CUDA's mixed precision without a GPU"
    try:
        return memtracker.track(build_step, memtracker.ITERATIONS), ""
    except Exception as error:  # a failure of MemTracker is a result, and does not end the comparison
        return None, f"{type(error).__name__}: {error}".splitlines()[0]


def _has_half(trace: Trace) -> bool:
    return any(allocation.dtype in HALF for allocation in trace.allocations)
