"""Modules that move to the meta device keep their parameters, as they do when they move to a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def keeping_parameters(device: torch.device) -> Iterator[None]:
    """Let `module.to(device)` put new data into the same parameters.

    On its way to meta it would make new ones instead (`Module._apply` in `torch/nn/modules/module.py`), and so separate
    tied weights, and leave an optimizer that was made before with the old ones.
    """
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(before or device.type == "meta")
    try:
        yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)
