"""Swin Transformer on ImageNet as its authors' own training script runs it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from drystep.validation.rebuilds.training_step import Batch, BuildStep, TrainingStep, images, timm_model

CLASSES, SIDE = 1000, 224


def swin(name: str, batch_size: int, drop_path: float) -> BuildStep:
    """A Swin of timm's name, with soft labels (mixup), AdamW, and gradients clipped at 5."""

    def build_step(device: torch.device) -> TrainingStep:
        with device:
            model = timm_model(name, num_classes=CLASSES, drop_path_rate=drop_path).train()

        def make_batch() -> Batch:
            return images(batch_size, SIDE, SIDE, device), torch.empty(batch_size, CLASSES, device=device)

        def loss(pictures: Tensor, targets: Tensor) -> Tensor:
            return -(targets * F.log_softmax(model(pictures), dim=-1)).sum(-1).mean()

        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
        return TrainingStep(model, optimizer, make_batch, loss, clip_norm=5.0)

    return build_step
