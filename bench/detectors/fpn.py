"""Feature pyramid on torchvision's `FeaturePyramidNetwork`, with the extra levels of RetinaNet and Mask R-CNN."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool

PYRAMID_CHANNELS = 256


class StridedConvLevels(ExtraFPNBlock):
    """P6 and P7: 3x3 convolutions of stride 2, P6 on the backbone's last map (mmdet `on_input`: no ReLU between)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, stride=2, padding=1)

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        p6 = self.p6(x[-1])
        return [*results, p6, self.p7(p6)], [*names, "p6", "p7"]


class FPN(nn.Module):
    """Feature pyramid: list of backbone maps (B, C_k, H_k, W_k) -> list of maps of one width, the extra levels last."""

    def __init__(
        self,
        in_channels: Sequence[int],
        extra: Literal["max_pool", "strided_conv"],
        channels: int = PYRAMID_CHANNELS,
    ) -> None:
        super().__init__()
        extra_levels = LastLevelMaxPool() if extra == "max_pool" else StridedConvLevels(in_channels[-1], channels)
        self.pyramid = FeaturePyramidNetwork(list(in_channels), channels, extra_levels)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        return list(self.pyramid(OrderedDict((str(level), x) for level, x in enumerate(features))).values())
