"""The training step of timm's benchmark script in automatic mixed precision."""

import torch
import torch.nn.functional as F
from torch import Tensor

from drystep.validation.rebuilds.training_step import Batch, BuildStep, TrainingStep, images, labels, timm_model


def timm_benchmark(name: str, batch_size: int, side: int) -> BuildStep:
    """A model by its name, SGD with momentum, and one batch of images that is made beforehand.

    The region of autocast contains the loss, and there is no scaler.
    """

    def build_step(device: torch.device) -> TrainingStep:
        with device:
            model = timm_model(name).train()
        pictures = images(batch_size, side, side, device)

        def make_batch() -> Batch:
            return pictures, labels(batch_size, device=device)

        def loss(pictures: Tensor, targets: Tensor) -> Tensor:
            with torch.autocast("cuda"):
                return F.cross_entropy(model(pictures), targets)

        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, nesterov=True)
        return TrainingStep(model, optimizer, make_batch, loss, zero_grad="first")

    return build_step
