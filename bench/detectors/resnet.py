"""ResNets (He et al. 2016) and ResNeXts (Xie et al. 2017) of torchvision, as mmdetection trains detectors on them."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from e3va.backbones.base import Backbone

STAGE_WIDTHS = (128, 256, 512)
"""Channels of the last three stages, before the expansion of their blocks."""


class Layout(NamedTuple):
    """What tells one ResNet from another."""

    block: type[BasicBlock] | type[Bottleneck]
    blocks: tuple[int, int, int, int]
    """Blocks of each stage."""
    groups: int = 1
    """Groups of the 3x3 convolutions."""
    group_width: int = 64
    """Channels of each group in the first stage."""


LAYOUTS: Mapping[str, Layout] = {
    "resnet18": Layout(BasicBlock, (2, 2, 2, 2)),
    "resnet50": Layout(Bottleneck, (3, 4, 6, 3)),
    "resnet101": Layout(Bottleneck, (3, 4, 23, 3)),
    "resnext101_32x4d": Layout(Bottleneck, (3, 4, 23, 3), groups=32, group_width=4),
    "resnext101_64x4d": Layout(Bottleneck, (3, 4, 23, 3), groups=64, group_width=4),
}


class ResNetBackbone(Backbone):
    """Maps of strides 8, 16 and 32. The stem and the first stage are frozen (mmdetection's `frozen_stages=1`).

    Batch norm uses its running statistics in training, too (`norm_eval`), and trains its scales and biases. With
    `caffe`, which is mmdetection's `style`, blocks of stride 2 have it in their first convolution instead of the 3x3
    one, and all of batch norm is frozen. Raises `KeyError` for a name that is not in `LAYOUTS`.
    """

    def __init__(self, name: str, caffe: bool = False) -> None:
        super().__init__()
        layout = LAYOUTS[name]
        net = ResNet(layout.block, list(layout.blocks), groups=layout.groups, width_per_group=layout.group_width)
        self.frozen = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1).requires_grad_(False)
        self.stages = nn.ModuleList([net.layer2, net.layer3, net.layer4])
        self.out_channels = [width * layout.block.expansion for width in STAGE_WIDTHS]
        if caffe:
            _make_caffe(self.stages)
        self.train()

    def train(self, mode: bool = True) -> "ResNetBackbone":
        """Set the mode of all modules but batch norm, which stays in evaluation mode."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> (B, C, H / 8, W / 8), (B, 2 C, H / 16, W / 16), (B, 4 C, H / 32, W / 32)."""
        x, maps = self.frozen(images), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def _make_caffe(stages: nn.ModuleList) -> None:
    for module in stages.modules():
        if isinstance(module, Bottleneck):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, (1, 1)
        elif isinstance(module, nn.BatchNorm2d):
            module.requires_grad_(False)
