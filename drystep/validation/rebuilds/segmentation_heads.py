"""Segmentation heads of mmsegmentation's configurations: FCN, PSPNet, DeepLabV3 and DeepLabV3+, UPerNet."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from drystep.validation.rebuilds.segmentation_parts import ConvNormReLU, PixelClassifier, SeparableConv, resized

POOLED_SIDES = (1, 2, 3, 6)
"""Of pyramid pooling (PSPNet, section 3.2)."""
RATES = (12, 24, 36)
"""Dilations at an output stride of 8 (DeepLabV3, section 4)."""


class FCNHead(nn.Module):
    """Convolutions of 3x3; with `joins_input`, a further one over their output and input."""

    def __init__(self, inputs: int, width: int, depth: int, classes: int, joins_input: bool) -> None:
        super().__init__()
        widths = [inputs, *[width] * depth]
        self.convolutions = nn.Sequential(*(ConvNormReLU(widths[i], width, 3) for i in range(depth)))
        self.join = ConvNormReLU(inputs + width, width, 3) if joins_input else None
        self.classifier = PixelClassifier(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, classes, H, W)."""
        found = self.convolutions(x)
        if self.join is not None:
            found = self.join(torch.cat([x, found], dim=1))
        return self.classifier(found)


class PyramidPooling(nn.Module):
    """The map beside its averages over a few coarse grids, joined by a 3x3 convolution."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.pools = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), ConvNormReLU(inputs, width, 1)) for side in POOLED_SIDES
        )
        self.join = ConvNormReLU(inputs + len(POOLED_SIDES) * width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, width, H, W)."""
        return self.join(torch.cat([x, *(resized(pool(x), x) for pool in self.pools)], dim=1))


class DilatedPyramid(nn.Module):
    """ASPP: the mean of the map, a 1x1 convolution, and dilated 3x3 convolutions, joined by a 3x3 convolution."""

    def __init__(self, inputs: int, width: int, separable: bool) -> None:
        super().__init__()
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvNormReLU(inputs, width, 1))
        self.branches = nn.ModuleList([ConvNormReLU(inputs, width, 1)])
        for rate in RATES:
            dense = SeparableConv(inputs, width, rate) if separable else ConvNormReLU(inputs, width, 3, dilation=rate)
            self.branches.append(dense)
        self.join = ConvNormReLU((len(RATES) + 2) * width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, width, H, W)."""
        return self.join(torch.cat([resized(self.mean(x), x), *(branch(x) for branch in self.branches)], dim=1))


class DetailDecoder(nn.Module):
    """DeepLabV3+: the dilated pyramid, resized and joined with a map of the first stage."""

    def __init__(self, inputs: int, detail_inputs: int, width: int) -> None:
        super().__init__()
        self.pyramid, self.detail = DilatedPyramid(inputs, width, separable=True), ConvNormReLU(detail_inputs, 48, 1)
        self.join = nn.Sequential(SeparableConv(width + 48, width), SeparableConv(width, width))

    def forward(self, x: Tensor, fine: Tensor) -> Tensor:
        """(B, inputs, H, W) and (B, detail_inputs, 2 H, 2 W) -> (B, width, 2 H, 2 W)."""
        found, detail = self.pyramid(x), self.detail(fine)
        return self.join(torch.cat([resized(found, detail), detail], dim=1))


class UPerHead(nn.Module):
    """UPerNet: pyramid pooling of the last map, a feature pyramid, and all its levels joined at the finest size."""

    def __init__(self, channels: Sequence[int], width: int, classes: int) -> None:
        super().__init__()
        self.pooling = PyramidPooling(channels[-1], width)
        self.laterals = nn.ModuleList(ConvNormReLU(inputs, width, 1) for inputs in channels[:-1])
        self.smoothings = nn.ModuleList(ConvNormReLU(width, width, 3) for _ in channels[:-1])
        self.join = ConvNormReLU(len(channels) * width, width, 3)
        self.classifier = PixelClassifier(width, classes)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps from fine to coarse -> (B, classes, H, W) of the finest."""
        levels = [lateral(x) for lateral, x in zip(self.laterals, maps[:-1], strict=True)]
        levels.append(self.pooling(maps[-1]))
        for finer in reversed(range(len(levels) - 1)):
            levels[finer] = levels[finer] + resized(levels[finer + 1], levels[finer])
        smooth = [smoothing(x) for smoothing, x in zip(self.smoothings, levels[:-1], strict=True)]
        joined = [smooth[0], *(resized(x, smooth[0]) for x in (*smooth[1:], levels[-1]))]
        return self.classifier(self.join(torch.cat(joined, dim=1)))
