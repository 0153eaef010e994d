"""The harness's training step as a training runs it: several passes, clipped gradients, and an eye on the losses."""

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from bench.cases.training_step import Targets, TrainingStep
from drystep.measure.phases import StepPhase

Losses = Mapping[str, float]


class DivergedError(Exception):
    """A loss is not a finite number."""


def watched(losses: Mapping[str, Tensor]) -> Losses:
    """Read the losses of a batch on the host. Raises `DivergedError` that names those that are not finite."""
    read = {name: loss.item() for name, loss in losses.items()}
    broken = [f"{name} is {loss}" for name, loss in read.items() if not math.isfinite(loss)]
    if broken:
        raise DivergedError(f"{', '.join(broken)} (all losses: {', '.join(f'{n} {v:.4g}' for n, v in read.items())})")
    return read


@dataclass
class LearningStep(TrainingStep):
    """`TrainingStep` with what a recipe adds to it. One step may make several passes, whose gradients add up."""

    passes: int = 1
    """Batches of one step."""
    clip_norm: float | None = None
    """Largest norm of all gradients together; None to clip nothing."""
    watch: Callable[[Mapping[str, Tensor]], object] = lambda losses: None
    """Called with the losses of each batch."""

    def add_gradients(self, ended: Callable[[StepPhase], None]) -> Tensor:
        """Run forward and backward on the latest batch and on those that the other passes take after it."""
        for _ in range(self.passes - 1):
            with self.model.no_sync() if isinstance(self.model, DistributedDataParallel) else nullcontext():
                super().add_gradients(ended)
            self.batch = next(self.batches)
        return super().add_gradients(ended)

    def update(self) -> None:
        """Clip the gradients, then let the optimizer change the parameters."""
        if self.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        super().update()

    def loss(self, images: Tensor, targets: Targets) -> Tensor:
        """Sum of the detector's losses on a batch, as its share of the step."""
        losses = self.model(images, targets)
        self.watch(losses)
        total = torch.stack(list(losses.values())).sum()
        return total if self.passes == 1 else total / self.passes
