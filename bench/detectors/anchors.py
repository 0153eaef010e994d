"""Anchor boxes on the grids of a feature pyramid."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bench.detectors.targets import ImageSize

PAD_DIVISOR = 32
"""Images are padded to multiples of this many pixels, the stride of the backbone's last map."""


class AnchorGrid(nn.Module):
    """Anchors centred on every cell of every level, as mmdet lays them out (origin at the cell's corner).

    An anchor of level l has area (`strides[l]` * scale)^2 and height / width = ratio.
    """

    def __init__(self, strides: Sequence[int], scales: Sequence[float], ratios: Sequence[float]) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.per_cell = len(scales) * len(ratios)
        for level, stride in enumerate(strides):
            sides = [
                (stride * scale / math.sqrt(ratio), stride * scale * math.sqrt(ratio))
                for ratio in ratios
                for scale in scales
            ]
            corners = [(-width / 2, -height / 2, width / 2, height / 2) for width, height in sides]
            self.register_buffer(f"cell_{level}", torch.tensor(corners), persistent=False)  # (A, 4)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Feature maps (B, C, H_l, W_l) -> anchors (H_l * W_l * A, 4) per level, corners in pixels."""
        return [self._level(level, *feature.shape[-2:]) for level, feature in enumerate(features)]

    def inside(self, features: Sequence[Tensor], size: ImageSize) -> Tensor:
        """Say which anchors stand on an image of `size` inside a larger batch: (N,) bool, all levels in their order.

        They are those whose cell begins inside the image when it is padded alone to multiples of `PAD_DIVISOR`
        (mmdetection's valid flags).
        """
        height, width = (math.ceil(side / PAD_DIVISOR) * PAD_DIVISOR for side in size)
        flags = []
        for feature, stride in zip(features, self.strides, strict=True):
            flag = torch.zeros(*feature.shape[-2:], self.per_cell, dtype=torch.bool, device=feature.device)
            flag[: math.ceil(height / stride), : math.ceil(width / stride)] = True
            flags.append(flag.flatten())
        return torch.cat(flags)

    def _level(self, level: int, height: int, width: int) -> Tensor:
        cell, stride = self.get_buffer(f"cell_{level}"), self.strides[level]
        y, x = torch.meshgrid(
            torch.arange(height, device=cell.device) * stride,
            torch.arange(width, device=cell.device) * stride,
            indexing="ij",
        )
        corner = torch.stack((x, y, x, y), dim=-1)  # (H, W, 4)
        return (corner[:, :, None, :] + cell).reshape(-1, 4)
