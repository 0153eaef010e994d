"""What the largest batches of a training cost on a GPU: its step on batches of their sizes, simulated or recorded."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from bench.cases.training_step import Batch, adamw, mixed_precision, placed_batches
from bench.detectors.targets import DetectionTargets, ImageSize
from bench.training.run import Run
from bench.training.step import LearningStep
from drystep.cuda.meta_cache import META
from drystep.gpus.classes import Gpu, select_gpus
from drystep.measure.kernels import without_tf32
from drystep.simulation import Simulation, judge
from drystep.simulator import trace_steps
from drystep.torch_private import apply_to_tensors
from drystep.trace.recorder import WARM_UP_STEPS


@dataclass(frozen=True)
class BatchSizes:
    """All of a batch that decides how much memory its step takes."""

    images: tuple[int, ...]
    """Shape of the images, (B, 3, H, W)."""
    objects: int
    """Rows of the boxes, G; 0 for label maps."""
    ignored: int | None
    """Rows of the ignored regions; None without any."""
    masks: bool
    """Whether there is a mask for each object."""
    valid_sizes: tuple[ImageSize, ...] | None
    """Size of each image inside the batch."""
    seeded: bool
    """Whether each image has a seed of its own."""

    @classmethod
    def of(cls, batch: Batch) -> "BatchSizes":
        """The sizes of a batch."""
        images, targets = batch
        if isinstance(targets, Tensor):
            return cls(tuple(images.shape), 0, None, False, None, False)
        ignored = None if targets.ignored is None else targets.ignored.shape[1]
        masks, seeded = targets.masks is not None, targets.seeds is not None
        return cls(tuple(images.shape), targets.labels.shape[1], ignored, masks, targets.valid_sizes, seeded)

    @property
    def load(self) -> tuple[int, int]:
        """Pixels, then objects: the key by which batches are ordered."""
        return self.images[-2] * self.images[-1], self.objects

    def empty_batch(self) -> Batch:
        """A batch of these sizes on the meta device."""
        count, _, height, width = self.images
        with META:
            images = torch.empty(self.images)
            if not self.objects and self.valid_sizes is None:
                return images, torch.empty(count, height, width, dtype=torch.int64)
            boxes = torch.empty(count, self.objects, 4)
            masks = torch.empty(count, self.objects, height, width, dtype=torch.uint8) if self.masks else None
            ignored = None if self.ignored is None else torch.empty(count, self.ignored, 4)
            labels = torch.empty(count, self.objects, dtype=torch.int64)
        seeds = tuple(range(count)) if self.seeded else None
        return images, DetectionTargets(boxes, labels, masks, self.valid_sizes, ignored, seeds)

    def fields(self) -> dict[str, Any]:
        """These sizes as JSON."""
        return asdict(self)


def learning_step(run: Run, model: nn.Module, batches: Iterator[Batch], device: torch.device) -> LearningStep:
    """The step of a run, with a model that is on the device and batches that are not."""
    recipe = run.recipe
    return LearningStep(
        model,
        adamw(model, recipe.learning_rate, recipe.weight_decay, recipe.betas),
        placed_batches(batches, device),
        *mixed_precision(run.case.precision, device),
        passes=recipe.passes(run.ranks),
        clip_norm=recipe.clip_norm,
    )


def cost_of(run: Run, batches: Sequence[Batch], device: torch.device, gpus: Sequence[Gpu] = ()) -> Simulation:
    """Trace steps on the given batches, one after the other, on `device`: META to simulate, the CPU to record.

    Steps before the last batches warm up: the optimizer's state comes with the first. A peak is that of all steps after
    the warm-up.
    """
    model = run.build(device)
    steps = WARM_UP_STEPS + -(-len(batches) // run.recipe.passes(run.ranks))

    def build_step(device: torch.device) -> Callable[[], None]:
        placed = apply_to_tensors(model, lambda tensor: tensor.to(device, copy=True))
        return learning_step(run, placed, cycle(batches), device)

    rules = replace(run.case.rules, ddp=run.ranks > 1)
    with without_tf32():
        trace = trace_steps(build_step, device, rules, run.case.precision, steps, steady_steps=steps - WARM_UP_STEPS)
    return judge(trace, gpus, rules)


def simulated_cost(run: Run, cost: Mapping[str, Any]) -> dict[str, Any]:
    """What the steps on a training's largest batches cost by simulation: fields beside those that it measured.

    `cost` has the sizes of those batches and the name of the device, whose class decides the rules and the predicted
    time. A time is None where the device is no card that is known.
    """
    sizes = [msgspec.convert({k: v for k, v in one.items() if k != "load"}, BatchSizes) for one in cost["worst"]]
    gpus = _classes(cost["device"])
    simulation = cost_of(run, [one.empty_batch() for one in sizes], META, gpus)
    return {
        "simulated_allocated_bytes": simulation.peak_allocated_bytes,
        "simulated_reserved_bytes": simulation.peak_reserved_bytes,
        "predicted_step_ms": _step_ms(simulation, gpus[0]) if gpus else None,
    }


def _classes(device: str) -> list[Gpu]:
    """The class of a device by its name; none for a CPU or an unknown card."""
    try:
        return select_gpus([device])[:1]
    except ValueError:
        return []


def _step_ms(simulation: Simulation, gpu: Gpu) -> float | None:
    try:
        return simulation.step_time(gpu).step_ms
    except ValueError:  # the card lacks a peak, or the precision
        return None
