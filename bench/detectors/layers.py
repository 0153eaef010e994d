"""Layers that several heads share."""

from typing import cast

from torch import Tensor, nn


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that also trains where a channel has a single value (UPerNet's 1x1 branch, one image).

    mmseg never has that case, because SyncBN gathers the values of several GPUs. A single value has no variance, so
    running statistics are used.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or x.shape[0] * x.shape[2] * x.shape[3] > 1:
            return super().forward(x)
        mean, variance = cast(Tensor, self.running_mean), cast(Tensor, self.running_var)
        scale = self.weight * (variance + self.eps).rsqrt()
        return x * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]


class ConvNormRelu(nn.Sequential):
    """Bias-free convolution of odd size, batch norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        super().__init__(conv, BatchNorm(out_channels), nn.ReLU(inplace=True))


def conv_relu_tower(channels: int, length: int) -> list[nn.Module]:
    """3x3 convolutions of one width, each followed by a ReLU."""
    layers: list[nn.Module] = []
    for _ in range(length):
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
    return layers


def init_normal(layer: nn.Conv2d | nn.Linear, std: float) -> None:
    """Initialise a layer with normal weights and zero biases, as the heads of mmdet and mmseg do."""
    nn.init.normal_(layer.weight, std=std)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
