"""A rebuilt training step: a batch, its loss, backward, clipping and the optimizer, in the order of the original."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

Batch = tuple[Tensor, ...]
BuildStep = Callable[[torch.device], Callable[[], object]]
"""What every function of this folder returns, for `simulate`."""


@dataclass
class TrainingStep:
    """One training step per call. The batch lives until the step ends, as in a loop over a loader."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    make_batch: Callable[[], Batch]
    """Makes one batch on the device."""
    loss: Callable[..., Tensor]
    """The loss of a batch, whose tensors are its arguments."""
    zero_grad: Literal["first", "before backward", "last"] = "before backward"
    """Where the original clears its gradients."""
    clip_norm: float | None = None
    """Norm to which gradients are clipped; None if the original does not clip."""
    scaler: GradScaler = field(default_factory=lambda: GradScaler(enabled=False))
    """Scales the loss of a training with automatic mixed precision; by default it does nothing."""

    def __call__(self) -> None:
        """Train on one batch."""
        self._clear("first")
        batch = self.make_batch()
        loss = self.loss(*batch)
        self._clear("before backward")
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._clear("last")

    def _clear(self, place: str) -> None:
        if self.zero_grad == place:
            self.optimizer.zero_grad()


def images(batch_size: int, height: int, width: int, device: torch.device) -> Tensor:
    """Images (B, 3, H, W)."""
    return torch.empty(batch_size, 3, height, width, device=device)


def labels(*shape: int, device: torch.device) -> Tensor:
    """Class numbers of that shape: (B,) of images, (B, H, W) of pixels."""
    return torch.empty(shape, dtype=torch.int64, device=device)


def timm_model(name: str, **options: Any) -> nn.Module:
    """A model of timm without weights, whose attention is written out as timm computed it before PyTorch 2."""
    model = library("timm").create_model(name, **options)
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    return model


def library(name: str) -> ModuleType:
    """Import a library that models come from. Raises `ValueError`, which says how to get it, if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ValueError(f"this row needs the library {package}: pip install {package}") from error
