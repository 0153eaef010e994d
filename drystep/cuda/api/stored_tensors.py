"""Tensors that a program loads from files onto the GPU."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from drystep.cuda.api.devices import simulated
from drystep.cuda.api.redirection import copy_of, redirected

STORED_ON = "cuda:0"
"""Where tensors of a file were, if it says so."""


@contextmanager
def stored_tensors(device: torch.device) -> Iterator[None]:
    """Make `torch.load` put on the simulated device what it would put on the GPU, until the context ends."""
    read: Callable[..., Any] = copy_of(torch.load)

    def load(file: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Where no place is stated, tensors go where they were when they were stored."""
        place = {STORED_ON: str(device)} if map_location is None else simulated(map_location, device)
        return read(file, place, *args, **kwargs)

    with redirected({torch.load: load}):
        yield
