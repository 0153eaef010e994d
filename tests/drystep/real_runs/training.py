"""Training steps of other people's models that allocate the same when simulated and when executed on the CPU."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import _disable_current_modes

from drystep.torch_private import apply_to_tensors

BuildStep = Callable[[torch.device], Callable[[], object]]
Loss = Callable[[Any], Tensor]
Inputs = Callable[[torch.device], Any]
"""Device -> what the model is called with: arguments by name in a dict, or in order in a tuple."""


def training(model: Callable[[], nn.Module], inputs: Inputs, loss: Loss, optimizer: str = "sgd") -> BuildStep:
    """A step as most programs write it: built on the CPU, moved, trained by one optimizer."""

    def build_step(device: torch.device) -> Callable[[], object]:
        torch.manual_seed(0)
        with _disable_current_modes():  # the CPU that builds a model is not the device
            built = model().train()
        built = moved(built, device)
        trained = [parameter for parameter in built.parameters() if parameter.requires_grad]
        steps: torch.optim.Optimizer
        steps = torch.optim.AdamW(trained, 1e-4) if optimizer == "adamw" else torch.optim.SGD(trained, 1e-4, 0.9)
        given = inputs(device)

        def step() -> None:
            steps.zero_grad()
            with sdpa_kernel(SDPBackend.MATH):  # fused kernels of attention are CUDA's alone
                output = built(**given) if isinstance(given, Mapping) else built(*given)
            loss(output).backward()
            steps.step()

        return step

    return build_step


def moved(module: nn.Module, device: torch.device) -> nn.Module:
    """The module on a device, in new tensors also where it is there already, as a GPU gets them."""
    if device.type != "cpu":
        return module.to(device)
    placed: list[Tensor] = []

    def place(tensor: Tensor) -> Tensor:
        if not any(tensor.data_ptr() == other.data_ptr() for other in placed):  # a shared parameter is placed once
            tensor = tensor.clone()
            placed.append(tensor)
        return tensor

    return apply_to_tensors(module, place)


def mean(output: Tensor) -> Tensor:
    return output.float().mean()


def images(device: torch.device, side: int = 64, batch: int = 2) -> tuple[Tensor, ...]:
    return (torch.rand(batch, 3, side, side, device=device),)
