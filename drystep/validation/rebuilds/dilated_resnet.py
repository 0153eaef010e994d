"""Segmentation with a dilated ResNet (V1c, output stride 8) as mmsegmentation's model zoo trains it."""

from typing import Any

import torch
from torch import Tensor, nn

from drystep.errors import choose
from drystep.validation.rebuilds.segmentation_heads import DetailDecoder, DilatedPyramid, FCNHead, PyramidPooling
from drystep.validation.rebuilds.segmentation_parts import (
    AUXILIARY_WEIGHT,
    ConvNormReLU,
    PixelClassifier,
    crops,
    pixel_loss,
)
from drystep.validation.rebuilds.training_step import Batch, BuildStep, TrainingStep, library

FIRST, THIRD, LAST = 256, 1024, 2048
"""Channels of the maps of the first, third and last stage."""
WIDTH, AUXILIARY_WIDTH = 512, 256
HEADS = ("fcn", "psp", "aspp", "plus")
"""FCN, PSPNet, DeepLabV3 and DeepLabV3+."""


class DilatedResNet(nn.Module):
    """The backbone, a head, and the auxiliary FCN head on the third stage."""

    def __init__(self, depth: int, head: str, classes: int) -> None:
        super().__init__()
        resnet: Any = library("torchvision.models").get_model(
            f"resnet{depth}", weights=None, replace_stride_with_dilation=[False, True, True]
        )
        self.stem = nn.Sequential(
            ConvNormReLU(3, 32, 3, stride=2), ConvNormReLU(32, 32, 3), ConvNormReLU(32, 64, 3), resnet.maxpool
        )
        self.stages = nn.ModuleList([resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4])
        self.takes_detail = head == "plus"
        self.head = _head(head, classes)
        self.auxiliary = FCNHead(THIRD, AUXILIARY_WIDTH, 1, classes, joins_input=False)
        self.classifier = PixelClassifier(WIDTH, classes) if head != "fcn" else nn.Identity()

    def forward(self, x: Tensor, targets: Tensor) -> Tensor:
        """Images (B, 3, H, W) and classes of pixels (B, H, W) -> their loss."""
        maps = []
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        found = self.head(maps[-1], maps[0]) if self.takes_detail else self.head(maps[-1])
        loss = pixel_loss(self.classifier(found), targets)
        return loss + AUXILIARY_WEIGHT * pixel_loss(self.auxiliary(maps[2]), targets)


def dilated_resnet(depth: int, head: str, batch_size: int, height: int, width: int, classes: int) -> BuildStep:
    """SGD with momentum; synchronised batch norms are rebuilt as batch norms, which keep the same."""
    choose("head", head, HEADS)

    def build_step(device: torch.device) -> TrainingStep:
        with device:
            model = DilatedResNet(depth, head, classes).train()

        def make_batch() -> Batch:
            return crops(batch_size, height, width, device)

        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        return TrainingStep(model, optimizer, make_batch, model)

    return build_step


def _head(name: str, classes: int) -> nn.Module:
    """A head; all but FCN's end before the classifier."""
    if name == "fcn":
        return FCNHead(LAST, WIDTH, 2, classes, joins_input=True)
    if name == "psp":
        return PyramidPooling(LAST, WIDTH)
    if name == "aspp":
        return DilatedPyramid(LAST, WIDTH, separable=False)
    return DetailDecoder(LAST, FIRST, WIDTH)
