"""The work of calls and of steps, as tests of counting ask for it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Work
from drystep.simulator import trace_steps
from drystep.time.work import work_of
from drystep.trace.trace import Trace

META = torch.device("meta")


def meta(*shape: int, dtype: torch.dtype = torch.float32, grad: bool = False, layout: str = "nchw") -> Tensor:
    """A tensor without values."""
    memory_format = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    return torch.empty(shape, dtype=dtype, device=META, requires_grad=grad, memory_format=memory_format)


def work_of_call(func: Any, *args: Any, **kwargs: Any) -> list[Work]:
    """The work of one call of an overload."""
    return list(work_of(func, args, kwargs, func(*args, **kwargs)))


def traced(step: Callable[[], object], precision: str = "fp32") -> Trace:
    """The trace of a step, of which the second run counts."""
    return trace_steps(lambda _: step, META, "torch-2.11", precision, iterations=2)


def work_of_step(step: Callable[[], object], precision: str = "fp32") -> list[Work]:
    """The work of a step, operator by operator."""
    return [work for _, work in traced(step, precision).work]
