"""All that a program asks of "cuda" by name, on a device that simulates it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from drystep.cuda.api.autocast_questions import autocast_questions
from drystep.cuda.api.bookkeeping import bookkeeping
from drystep.cuda.api.calls import Calls, Handlers
from drystep.cuda.api.devices import default_devices, device_handlers
from drystep.cuda.api.generators import generators
from drystep.cuda.api.ignored import Ignored
from drystep.cuda.api.optimizers import optimizer_forms
from drystep.cuda.api.scalers import gradient_scalers
from drystep.cuda.api.stored_tensors import stored_tensors
from drystep.cuda.rules import Rules


@contextmanager
def cuda_by_name(device: torch.device, rules: Rules, handlers: Handlers) -> Iterator[Ignored]:
    """Make "cuda" mean `device` until the context ends, unless that is a GPU itself.

    `handlers` replace further functions. Yields which functions were called in vain.
    """
    with ExitStack() as stack:
        stack.enter_context(optimizer_forms(device, rules.foreach_optimizers))
        ignored = Ignored()
        if device.type != "cuda":
            for context in (default_devices, generators, gradient_scalers, autocast_questions, stored_tensors):
                stack.enter_context(context(device))
            ignored = stack.enter_context(bookkeeping(device, rules))
            handlers = device_handlers(device, handlers)
        stack.enter_context(Calls(handlers).watching())
        yield ignored
