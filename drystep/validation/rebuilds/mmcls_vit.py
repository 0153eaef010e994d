"""ViT-B/16 on ImageNet as MMClassification trains it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drystep.validation.rebuilds.training_step import Batch, BuildStep, TrainingStep, images, timm_model

CLASSES, SIDE, WIDTH, HIDDEN = 1000, 224, 768, 3072
DROPOUT = 0.1


def mmcls_vit_base(batch_size: int) -> BuildStep:
    """ViT-B/16 with a hidden layer in its head, dropout, soft labels, AdamW, and gradients clipped at 1."""

    def build_step(device: torch.device) -> TrainingStep:
        with device:
            vit = timm_model("vit_base_patch16_224", num_classes=0, proj_drop_rate=DROPOUT, pos_drop_rate=DROPOUT)
            head = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, CLASSES))
            model = nn.Sequential(vit, head).train()

        def make_batch() -> Batch:
            return images(batch_size, SIDE, SIDE, device), torch.empty(batch_size, CLASSES, device=device)

        def loss(pictures: Tensor, targets: Tensor) -> Tensor:
            return F.cross_entropy(model(pictures), targets)

        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        return TrainingStep(model, optimizer, make_batch, loss, clip_norm=1.0)

    return build_step
