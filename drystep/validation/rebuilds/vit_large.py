"""ViT-L/16 of torchvision with Adam: the step of PyTorch's tutorial on optimizers that step within backward."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from drystep.validation.rebuilds.training_step import Batch, BuildStep, TrainingStep, images, library

SIDE = 224


@dataclass
class StepWithinBackward:
    """A training step whose gradients are used and dropped as soon as they are there."""

    model: nn.Module

    def __call__(self) -> None:
        """Train on one image."""
        self.model(_one_image(next(self.model.parameters()).device)).sum().backward()


def vit_large_adam() -> BuildStep:
    """One image, the sum of the scores as loss, Adam after backward."""

    def build_step(device: torch.device) -> TrainingStep:
        with device:
            model = library("torchvision.models").vit_l_16()

        def make_batch() -> Batch:
            return (_one_image(device),)

        def loss(picture: Tensor) -> Tensor:
            return model(picture).sum()

        return TrainingStep(model, torch.optim.Adam(model.parameters()), make_batch, loss, zero_grad="last")

    return build_step


def vit_large_adam_in_backward() -> BuildStep:
    """The same with an Adam for each parameter, which a hook calls once the gradient is complete."""

    def build_step(device: torch.device) -> StepWithinBackward:
        with device:
            model = library("torchvision.models").vit_l_16()
        own = {parameter: torch.optim.Adam([parameter], foreach=False) for parameter in model.parameters()}

        def use_gradient(parameter: Tensor) -> None:
            optimizer = own[parameter]
            optimizer.step()
            optimizer.zero_grad()

        for parameter in own:
            parameter.register_post_accumulate_grad_hook(use_gradient)
        return StepWithinBackward(model)

    return build_step


def _one_image(device: torch.device) -> Tensor:
    return images(1, SIDE, SIDE, device)
