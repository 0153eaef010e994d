"""Random generators of the GPU: numbers on the simulated device have no values, so one of the CPU stands for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch

from drystep.cuda.api.devices import simulated

_ORIGINAL: Any = torch.Generator
_KIND: Any = type(_ORIGINAL)  # PyTorch 2.14 has its own, which a derived class must share


@contextmanager
def generators(on: torch.device) -> Iterator[None]:
    """Make `torch.Generator("cuda")`, or of the simulated device, a generator that says it is on that device."""

    class Kind(_KIND):
        def __instancecheck__(self, instance: object) -> bool:
            return isinstance(instance, _ORIGINAL)

    class Generator(_ORIGINAL, metaclass=Kind):
        def __new__(cls, device: Any = "cpu") -> Any:
            made = super().__new__(cls, "cpu")
            made.stated = torch.device(simulated(device, on))
            return made

        @property
        def device(self) -> torch.device:
            return self.stated

    with mock.patch.object(torch, "Generator", Generator):
        yield
