"""All checks of a step, from its build to the end of its last iteration."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from drystep.checks.compiled import HOOKS_TWICE, Compiled
from drystep.checks.dropped_modules import DroppedModules
from drystep.checks.foreign_autocast import ForeignAutocast
from drystep.checks.seen_modules import SeenModules
from drystep.checks.training import Training
from drystep.errors import SimulationError
from drystep.torch_private import PATCHING
from drystep.trace.recorder import BuildStep, Step


class StepChecks:
    """Watches a step on `device` that runs for a number of iterations, the last `steady_steps` of which count."""

    def __init__(self, device: torch.device, iterations: int, steady_steps: int) -> None:
        self._device = device
        self._first_steady = iterations - steady_steps
        self._begin()

    def _begin(self) -> None:
        self._modules = SeenModules()
        self._training = Training(self._device)
        self._autocast = ForeignAutocast(self._device)
        self._dropped = DroppedModules(self._device)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Run what is compiled eagerly, and look at modules and optimizers, until the context ends."""
        self._compiled = Compiled()
        with PATCHING, warnings.catch_warnings(), ExitStack() as stack:
            warnings.filterwarnings("ignore", HOOKS_TWICE)
            stack.enter_context(self._compiled.watching())
            hook = nn.modules.module.register_module_forward_pre_hook(self._before_module)
            stack.callback(hook.remove)
            yield

    def around(self, build_step: BuildStep) -> BuildStep:
        """Check what `build_step` makes and its step does. It may be built anew: then the last build counts."""
        if not callable(build_step):
            return build_step  # whoever calls it says so

        def build(device: torch.device) -> Step:
            self._begin()
            with self._dropped.watching(sys._getframe()):
                step = build_step(device)
            return self._checked(step) if callable(step) else step

        return build

    def _checked(self, step: Step) -> Step:
        count = 0

        def checked_step() -> None:
            nonlocal count
            self._compiled.begin_step()
            self._training.begin_step(counts=count >= self._first_steady)
            with self._training.watching():
                step()
            self._training.end_step(self._modules)
            count += 1

        return checked_step

    def _before_module(self, module: nn.Module, _: object) -> None:
        self._modules.see(module)
        self._autocast.see(module)

    def findings(self, strict: bool = False) -> list[str]:
        """Return a sentence for each thing that makes the figures differ from those of the real step.

        Raises `SimulationError` if they would be of another step altogether, and with `strict` for each sentence.
        """
        if self._training.error:
            raise SimulationError(self._training.error)
        checks = (self._training, self._autocast, self._dropped, self._compiled)
        found = [check.warning for check in checks if check.warning]
        if strict and found:
            raise SimulationError("; ".join(found))
        return found
