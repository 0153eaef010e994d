"""UPerNet with ConvNeXt on ADE20K in mixed precision, as mmsegmentation's model zoo trains it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from drystep.validation.rebuilds.segmentation_heads import FCNHead, UPerHead
from drystep.validation.rebuilds.segmentation_parts import AUXILIARY_WEIGHT, crops, pixel_loss
from drystep.validation.rebuilds.training_step import Batch, BuildStep, TrainingStep, library, timm_model

CLASSES, BATCH_SIZE = 150, 2
WIDTH, AUXILIARY_WIDTH = 512, 256


class ConvNeXtUPerNet(nn.Module):
    """The backbone with a norm on each of its four maps, UPerNet's head, and the auxiliary head on the third map."""

    def __init__(self, name: str, drop_path: float) -> None:
        super().__init__()
        backbone: Any = timm_model(name, num_classes=0, drop_path_rate=drop_path, ls_init_value=1.0)
        channels = [feature["num_chs"] for feature in backbone.feature_info]
        self.stem, self.stages = backbone.stem, backbone.stages
        self.norms = nn.ModuleList(library("timm.layers").LayerNorm2d(width, eps=1e-6) for width in channels)
        self.head = UPerHead(channels, WIDTH, CLASSES)
        self.auxiliary = FCNHead(channels[2], AUXILIARY_WIDTH, 1, CLASSES, joins_input=False)

    def forward(self, x: Tensor, targets: Tensor) -> Tensor:
        """Images (B, 3, H, W) and classes of pixels (B, H, W) -> their loss, computed in float32."""
        maps = []
        x = self.stem(x)
        for stage, norm in zip(self.stages, self.norms, strict=True):
            x = stage(x)
            maps.append(norm(x).contiguous())
        loss = pixel_loss(self.head(maps).float(), targets)
        return loss + AUXILIARY_WEIGHT * pixel_loss(self.auxiliary(maps[2]).float(), targets)


def convnext_upernet(name: str, side: int, drop_path: float) -> BuildStep:
    """Two images, AdamW, and a loss that is scaled."""

    def build_step(device: torch.device) -> TrainingStep:
        with device:
            model = ConvNeXtUPerNet(name, drop_path).train()

        def make_batch() -> Batch:
            return crops(BATCH_SIZE, side, side, device)

        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        return TrainingStep(model, optimizer, make_batch, model, scaler=GradScaler(device.type))

    return build_step
