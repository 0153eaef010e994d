"""The one training step that every engine measures: model, method, optimizer and a fixed batch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from timm.models.swin_transformer import WindowAttention
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from bench.case import Case
from bench.methods import METHODS
from bench.simulation.autocast import MIXED_PRECISIONS
from bench.workloads import WORKLOADS, Workload, random_batch
from models.backbone import Backbone
from models.swin import build_swin
from models.targets import DetectionTargets

StepPhase = Literal["forward", "backward", "optimizer"]
Targets = DetectionTargets | Tensor


def _ignore(phase: StepPhase) -> None:
    pass


@dataclass
class TrainingStep:
    """Callable: zero_grad, forward, backward, optimizer step. Nothing of a step outlives it but gradients and state."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    images: Tensor
    targets: Targets
    scaler: GradScaler
    """Disabled where the precision needs no loss scale."""

    def __call__(self, ended: Callable[[StepPhase], None] = _ignore) -> None:
        """Run one step; `ended` hears of the end of each phase."""
        self.optimizer.zero_grad()
        loss = self.loss()
        ended("forward")
        self.scaler.scale(loss).backward()
        ended("backward")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        ended("optimizer")

    def loss(self) -> Tensor:
        """Sum of the detector's losses on the batch."""
        return torch.stack(list(self.model(self.images, self.targets).values())).sum()


@dataclass(frozen=True)
class PreparedCase:
    """Model and batch of a case in host memory. `build_step` places them on a device; only that touches a GPU."""

    workload: Workload
    model: nn.Module
    backbone: Backbone
    images: Tensor
    targets: Targets
    scales_loss: bool

    def build_step(self, device: torch.device) -> TrainingStep:
        """Move the model, create the optimizer, copy the batch. The model is moved, so call this once."""
        model = self.model._apply(lambda tensor: _place(tensor, device))
        optimizer = _adamw(model, self.workload.learning_rate, self.workload.weight_decay)
        images, targets = _place(self.images, device), _place_targets(self.targets, device)
        scaler = GradScaler(device.type, enabled=self.scales_loss)
        return TrainingStep(model, optimizer, images, targets, scaler)

    @property
    def params(self) -> dict[str, int]:
        """The `params` of a result line."""
        return {
            "trainable_backbone": sum(p.numel() for p in self.backbone.parameters() if p.requires_grad),
            "trainable_total": sum(p.numel() for p in self.model.parameters() if p.requires_grad),
            "total": sum(p.numel() for p in self.model.parameters()),
        }


def prepare(case: Case, device: torch.device) -> PreparedCase:
    """Build model and batch of a case for `device`; they depend on the case's seed alone.

    For meta the host's copy is on meta too: nothing is ever filled.
    """
    host = device if device.type == "meta" else torch.device("cpu")
    workload = WORKLOADS[case.task]
    torch.manual_seed(case.seed)
    with host:
        swin = build_swin(
            case.backbone,
            window=case.window,
            out_stages=workload.out_stages,
            drop_path=workload.drop_path,
            fused_attention=case.fused_attention,
            checkpointing=case.checkpointing,
            device=host,
        )
        backbone = METHODS[case.method].apply(swin)
        rois = {"rois_per_image": case.rois_per_image} if workload.has_rois else {}
        model = workload.build(backbone, workload.num_classes, **rois)
    images, targets = random_batch(workload, case.batch_size, case.image_size, case.gt_boxes, host)
    mixed = MIXED_PRECISIONS.get(case.precision)
    return PreparedCase(workload, model, backbone, images, targets, mixed is not None and mixed.scales_loss)


def _adamw(model: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over what trains, without weight decay on layer norms and position biases (the authors' settings)."""
    spared = [p for module in model.modules() if isinstance(module, nn.LayerNorm) for p in module.parameters()]
    spared += [m.relative_position_bias_table for m in model.modules() if isinstance(m, WindowAttention)]
    spared_ids = {id(parameter) for parameter in spared}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) not in spared_ids], "weight_decay": weight_decay},
        {"params": [p for p in trained if id(p) in spared_ids], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate)


def _place(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy on the device, also where the host's copy is there already."""
    return tensor.to(device, copy=True)


def _place_targets(targets: Targets, device: torch.device) -> Targets:
    if isinstance(targets, Tensor):
        return _place(targets, device)
    masks = None if targets.masks is None else _place(targets.masks, device)
    return replace(targets, boxes=_place(targets.boxes, device), labels=_place(targets.labels, device), masks=masks)
