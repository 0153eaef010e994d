"""Training and inference steps of timm's models, as timm's benchmark script runs them."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from drystep.errors import choose

Mode = Literal["train", "inference"]
MODES: tuple[Mode, ...] = ("train", "inference")
LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
"""Name of a memory format, as tables have it."""
AUTOCAST = {"fp32": None, "amp-fp16": torch.float16, "amp-bf16": torch.bfloat16}
"""Precision -> type of the autocast region; None without one."""
BuildStep = Callable[[torch.device], Callable[[], object]]


def timm_step(
    name: str,
    batch_size: int,
    image_size: int,
    mode: Mode = "train",
    precision: str = "fp32",
    layout: str = "nchw",
    reparameterized: bool = False,
) -> BuildStep:
    """A step of a model of timm, without weights, on one batch of images that is made beforehand.

    Training: SGD with momentum and cross entropy; forward, loss and backward within autocast. Inference: a forward pass
    without gradients. `reparameterized` folds the branches of models such as RepVGG into one convolution, as for
    inference. Raises `ValueError` for a name that timm does not know, when the step is built.
    """

    def build_step(device: torch.device) -> Callable[[], object]:
        model = _model(name, image_size, device, reparameterized)
        model.to(memory_format=LAYOUTS[layout])  # type: ignore[call-overload]  # PyTorch's stubs lack this form
        images = torch.empty(batch_size, 3, image_size, image_size, device=device)
        images = images.contiguous(memory_format=LAYOUTS[layout])
        if mode == "train":
            return _training_step(model, images, precision)
        return _inference_step(model.eval(), images, precision)

    return build_step


def _training_step(model: nn.Module, images: torch.Tensor, precision: str) -> Callable[[], object]:
    labels = torch.zeros(images.shape[0], dtype=torch.int64, device=images.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        with _autocast(precision):
            F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def _inference_step(model: nn.Module, images: torch.Tensor, precision: str) -> Callable[[], object]:
    def step() -> None:
        with torch.no_grad(), _autocast(precision):
            model(images)

    return step


def _autocast(precision: str) -> torch.autocast:
    dtype = AUTOCAST[precision]
    return torch.autocast("cuda", dtype=dtype or torch.float16, enabled=dtype is not None)


def _model(name: str, image_size: int, device: torch.device, reparameterized: bool) -> nn.Module:
    import timm
    from timm.utils import reparameterize_model

    if not timm.is_model(name):
        choose("model of timm", name, timm.list_models())
    with torch.device("cpu") if reparameterized else device:  # folding branches computes with their weights
        try:
            model = timm.create_model(name, img_size=image_size)
        except TypeError:  # convolutional networks take images of any size
            model = timm.create_model(name)
    if reparameterized:
        model = reparameterize_model(model.eval()).to(device)
    return model
