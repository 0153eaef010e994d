"""The training step that every engine measures: model, method, optimizer, and a fixed batch or a run of batches."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import cycle, repeat
from typing import Any, cast

import torch
from timm.models.swin_transformer import WindowAttention
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from bench.cases.batches import BatchShape, first_stretch, worst_stretch
from bench.cases.case import Case
from bench.cases.model import build_model
from bench.cases.random_batch import random_batch
from bench.cases.tasks import WORKLOADS, Workload
from bench.detectors.targets import DetectionTargets
from drystep.cuda.autocast.casts import MIXED_PRECISIONS
from drystep.measure.phases import StepPhase
from drystep.torch_private import apply_to_tensors
from drystep.trace.recorder import WARM_UP_STEPS
from e3va.backbones.base import Backbone

Targets = DetectionTargets | Tensor
Batch = tuple[Tensor, Targets]
Autocast = Callable[[], AbstractContextManager[object]]


def _ignore(phase: StepPhase) -> None:
    pass


@dataclass
class TrainingStep:
    """A training step as a callable: zero_grad, forward, backward, optimizer step.

    Only the gradients, the optimizer's state and the batch outlive a step. The batch lives until the next one exists.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Iterator[Batch]
    """One batch for each step, on the device."""
    scaler: GradScaler
    """Disabled where the precision needs no loss scale."""
    autocast: Autocast = nullcontext
    """Context of the forward pass. It is only set on a GPU, because a simulation casts by rules of its own."""
    batch: Batch | None = None
    """The batch of the latest step."""

    def __call__(self, ended: Callable[[StepPhase], None] = _ignore) -> None:
        """Run one step. `ended` is called at the end of each phase."""
        self.batch = next(self.batches)
        self.optimizer.zero_grad()
        loss = self.add_gradients(ended)
        self.update()
        ended("optimizer")
        del loss  # until here, as in the loops of users

    def add_gradients(self, ended: Callable[[StepPhase], None]) -> Tensor:
        """Run forward and backward on the latest batch, and return its loss."""
        assert self.batch is not None
        with self.autocast():
            loss = self.loss(*self.batch)
        ended("forward")
        self.scaler.scale(loss).backward()
        ended("backward")
        return loss

    def update(self) -> None:
        """Let the optimizer change the parameters by their gradients."""
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def infer(self) -> None:
        """Run the part of inference that depends on the method: the backbone on the latest batch, without a graph."""
        assert self.batch is not None, "run a step first"
        self.model.eval()
        with torch.no_grad(), self.autocast():
            cast(Backbone, self.model.backbone)(self.batch[0])
        self.model.train()

    def loss(self, images: Tensor, targets: Targets) -> Tensor:
        """Sum of the detector's losses on a batch."""
        return torch.stack(list(self.model(images, targets).values())).sum()


@dataclass(frozen=True)
class PreparedCase:
    """Model and batches of a case in host memory. Only `build_step` uses a GPU, when it places them on a device."""

    workload: Workload
    model: nn.Module
    backbone: Backbone
    shapes: Sequence[BatchShape]
    """Shapes of the batches, in order. In a run the first `WARM_UP_STEPS` do not count."""
    batches: Sequence[Batch]
    precision: str

    def build_step(self, device: torch.device) -> TrainingStep:
        """Move the model to the device, create the optimizer and copy the batch. Call this once: the model is moved.

        A single batch stays on the device. The batches of a run are copied one by one, as by a data loader, and repeat.
        """
        model = apply_to_tensors(self.model, lambda tensor: _place(tensor, device))
        optimizer = adamw(model, self.workload.learning_rate, self.workload.weight_decay)
        mixed = mixed_precision(self.precision, device)
        if len(self.batches) == 1:
            return TrainingStep(model, optimizer, repeat(place_batch(*self.batches[0], device)), *mixed)
        return TrainingStep(model, optimizer, placed_batches(cycle(self.batches), device), *mixed)

    def batch_fields(self, index: int) -> dict[str, Any]:
        """Number, size and objects of one batch of a run, counted after the warm-up, as fields of a result line."""
        shape = self.shapes[WARM_UP_STEPS + index]
        return {"index": index, "image_size": list(shape.image_size), "gt_boxes": shape.gt_boxes}

    @property
    def params(self) -> dict[str, int]:
        """The `params` of a result line."""
        return {
            "trainable_backbone": sum(p.numel() for p in self.backbone.parameters() if p.requires_grad),
            "trainable_total": sum(p.numel() for p in self.model.parameters() if p.requires_grad),
            "total": sum(p.numel() for p in self.model.parameters()),
        }


def prepare(case: Case, device: torch.device) -> PreparedCase:
    """Build the model and batches of a case for `device`. Their values depend on the case's seed alone.

    For the meta device, the host's copy is on meta too, so that nothing is ever filled.
    """
    host = device if device.type == "meta" else torch.device("cpu")
    workload = WORKLOADS[case.task]
    torch.manual_seed(case.seed)
    model, backbone = build_model(case, host)
    shapes = batch_shapes(case)
    batches = [random_batch(workload, case.batch_size, shape.image_size, shape.gt_boxes, host) for shape in shapes]
    return PreparedCase(workload, model, backbone, shapes, batches, case.precision)


def batch_shapes(case: Case) -> Sequence[BatchShape]:
    """The shape that the case states, or the shapes of its run, warm-up first."""
    if case.batches == 1:
        return (BatchShape(case.image_size, case.gt_boxes),)
    stretch = worst_stretch if case.stretch == "worst" else first_stretch
    return stretch(case.task, case.image_size, case.batch_size, WARM_UP_STEPS + case.batches, case.seed)


def adamw(
    model: nn.Module, learning_rate: float, weight_decay: float, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.AdamW:
    """AdamW over the trainable parameters, without weight decay on layer norms and position biases (as the authors)."""
    spared = [p for module in model.modules() if isinstance(module, nn.LayerNorm) for p in module.parameters()]
    spared += [m.relative_position_bias_table for m in model.modules() if isinstance(m, WindowAttention)]
    spared_ids = {id(parameter) for parameter in spared}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) not in spared_ids], "weight_decay": weight_decay},
        {"params": [p for p in trained if id(p) in spared_ids], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate, betas=betas)


def mixed_precision(precision: str, device: torch.device) -> tuple[GradScaler, Autocast]:
    """The loss scaler of a precision, and the context of its forward pass, which is only set on a GPU."""
    mixed = MIXED_PRECISIONS.get(precision)
    scaler = GradScaler(device.type, enabled=mixed is not None and mixed.scales_loss)
    if mixed is None or device.type != "cuda":
        return scaler, nullcontext
    return scaler, partial(torch.autocast, device.type, mixed.dtype)


def placed_batches(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Copy batches to the device one by one, as they are asked for."""
    return (place_batch(*batch, device) for batch in batches)


def _place(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to the device, even if it is there already."""
    return tensor.to(device, copy=True)


def place_batch(images: Tensor, targets: Targets, device: torch.device) -> Batch:
    """Copy a batch to the device, even if it is there already."""
    return _place(images, device), _place_targets(targets, device)


def _place_targets(targets: Targets, device: torch.device) -> Targets:
    if isinstance(targets, Tensor):
        return _place(targets, device)
    return targets.placed(lambda tensor: _place(tensor, device))
