"""Parameters that should train: they need a gradient, and they need to be on the device."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from drystep.checks.seen_modules import SeenModules

SHOWN = 3
"""Parameters that a sentence names."""


class Training:
    """Judges the parameters of the optimizers that step.

    Tensors are remembered by their ids alone: a weak reference would forbid to move a module to another device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device_type = device.type
        self._counts = False
        self._had_gradient: dict[int, bool] = {}
        self._elements: dict[int, int] = {}
        self.warning = ""
        """A sentence about parameters without a gradient; "" if there are none."""
        self.error = ""
        """A sentence about parameters that are not on the device; "" if there are none."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at every optimizer that steps, before and after its step, until the context ends."""
        handles = (
            # A closure computes the gradients during the step.
            register_optimizer_step_pre_hook(self._look),
            register_optimizer_step_post_hook(self._look),
        )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def begin_step(self, counts: bool) -> None:
        """Mark the start of a step. Only steps that count are judged: others may lack what the first one makes."""
        self._counts = counts

    def end_step(self, modules: SeenModules) -> None:
        """Judge all steps so far that count. Call this while the parameters are alive."""
        if self._counts:
            named = list(modules.named_parameters())
            self.error = self._not_on_device(named)
            self.warning = self._without_gradient(named)

    def _look(self, optimizer: Optimizer, *_: object) -> None:
        if not self._counts:
            return
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.requires_grad and parameter.numel():
                    key = id(parameter)
                    self._had_gradient[key] = self._had_gradient.get(key, False) or parameter.grad is not None
                    self._elements[key] = parameter.numel()

    def _without_gradient(self, named: Sequence[tuple[str, Tensor]]) -> str:
        without = [key for key, had in self._had_gradient.items() if not had]
        if not without:
            return ""
        elements, total = sum(self._elements[key] for key in without), sum(self._elements.values())
        keys = set(without)
        names = [name for name, parameter in named if id(parameter) in keys]
        return (
            f"{len(without)} of {len(self._had_gradient)} parameters that an optimizer trains got no gradient in the "
            f"step ({100 * elements / total:.1f} % of their elements){_listed(names, len(without))}: if they train in "
            "reality, the figures are too low"
        )

    def _not_on_device(self, named: Sequence[tuple[str, Tensor]]) -> str:
        trained = [
            (name, parameter)
            for name, parameter in named
            if parameter.requires_grad and (id(parameter) in self._had_gradient or parameter.grad is not None)
        ]
        away = [(name, parameter) for name, parameter in trained if parameter.device.type != self._device_type]
        if not away:
            return ""
        where = "the CPU" if away[0][1].is_cpu else str(away[0][1].device)
        return (
            f"{len(away)} of {len(trained)} parameters that train are on {where} instead of the device that build_step "
            f"is given{_listed([name for name, _ in away], len(away))}: move the model to that device, and do not let "
            "a library place it elsewhere"
        )


def _listed(names: Sequence[str], count: int) -> str:
    """The first names, and how many more there are."""
    shown = names[:SHOWN]
    if not shown:
        return ""
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f", namely {', '.join(shown)}{more}"
