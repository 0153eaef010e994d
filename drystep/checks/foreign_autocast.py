"""Regions of `torch.autocast` for another device type, which cast nothing on the device."""

import torch
from torch import nn

from drystep.program.source_lines import line_of_stack
from drystep.torch_replacements import compiling_operator

FOREIGN_TYPES = ("cpu", "mps", "xpu")
"""Device types of other hardware for which PyTorch has casts."""


class ForeignAutocast:
    """Looks for modules with weights on the device that run in a region which does not cast them."""

    def __init__(self, device: torch.device) -> None:
        self._device_type = device.type
        self.warning = ""
        """A sentence about the first such module; "" if there is none."""

    def see(self, module: nn.Module) -> None:
        """Take note of a module that is called."""
        if self.warning:
            return
        for device_type in FOREIGN_TYPES:
            if torch.is_autocast_enabled(device_type) and self._is_not_cast(module):
                self.warning = (
                    f"an autocast region of {device_type!r} surrounds operators of the device, which it does not cast, "
                    f"such as those of {type(module).__name__}{_at_line()}: enter torch.autocast(device.type, ...), or "
                    "state the precision of the step with precision=..., or --precision"
                )

    def _is_not_cast(self, module: nn.Module) -> bool:
        # While PyTorch traces the functions of an operator, it knows nothing of the simulated device.
        if compiling_operator() or torch.is_autocast_enabled(self._device_type):
            return False
        return self._has_weights(module)

    def _has_weights(self, module: nn.Module) -> bool:
        return any(
            parameter.device.type == self._device_type and parameter.is_floating_point()
            for parameter in module.parameters(recurse=False)
        )


def _at_line() -> str:
    line = line_of_stack()
    return f" at {line}" if line else ""
