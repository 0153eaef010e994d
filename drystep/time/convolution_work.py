"""Work of convolutions: operations and bytes of the forward pass and of each gradient.

cuDNN computes a gradient of the image as one convolution, and that of the filter as another: each has the operations of
the forward pass, also where the channels are in groups. (PyTorch's own counter takes a grouped gradient of the filter
for a dense one: `conv_backward_flop` in `torch/utils/flop_counter.py`.)
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Kind, Work, precision_of
from drystep.time.tensors import bytes_of, layout_of, padded

aten = torch.ops.aten
CHANNEL_TILE, REDUCED_TILE = 64, 32
"""Output channels and summed values of a tile of cuDNN's matrix products (`..._64x32...` and larger in kernel names)."""
GROUP_TILE = 32
"""Channels of a group are filled up to a tile of this many."""
FEW_CHANNELS = 4
"""Images have no more channels; tiles of the first convolution are mostly empty."""


def forward_work(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Iterator[Work]:
    """The work of `aten.convolution`, and of adding the bias, which PyTorch does in a kernel of its own."""
    image, weight, bias = args[:3]
    yield _Convolution(image, weight, result, args[3:9]).work("forward")
    if bias is not None:
        yield Work("elementwise", 0, 2 * bytes_of(result), 1, result.dtype)


def backward_work(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """The work of `aten.convolution_backward`: one convolution for each gradient that is wanted, and a sum."""
    gradient, image, weight = args[:3]
    wanted = args[10]
    convolution = _Convolution(image, weight, gradient, args[4:10])
    if wanted[0]:
        yield convolution.work("image_gradient")
    if wanted[1]:
        yield convolution.work("filter_gradient")
    if wanted[2]:
        yield _bias_gradient(gradient)


def _bias_gradient(gradient: Tensor) -> Work:
    """The sum over images and places, channel by channel: `grad_output.sum((0, 2, 3))` in `native/Convolution.cpp`.

    Channels first, each row of the reduction is one channel of one image.
    """
    layout = layout_of(gradient)
    rows = gradient.numel() // max(1, math.prod(gradient.shape[2:])) if layout == "nchw" else 0
    group = f"bias_gradient.{layout}"
    return Work("elementwise", 0, bytes_of(gradient), 1, gradient.dtype, group=group, items=rows)


class _Convolution:
    """Sizes of one convolution."""

    def __init__(self, image: Tensor, weight: Tensor, output: Tensor, settings: Sequence[Any]) -> None:
        self.image, self.weight, self.output = image, weight, output
        self.stride, _, self.dilation, self.transposed, _, self.groups = settings

    def work(self, direction: str) -> Work:
        """One pass: it reads two of image, filter and output, and writes the third."""
        flops = self.flops()
        moved = bytes_of(self.image) + bytes_of(self.weight) + bytes_of(self.output)
        layout, dtype = layout_of(self.image, self.output), self.image.dtype
        kind, narrowest, reduced = self._measured_class()
        return Work(
            kind, flops, moved, 1, dtype, narrowest, reduced, convolution=True,
            group=f"{self._name()}.{direction}.{layout}.{precision_of(dtype)}", padded_flops=self._padded(flops),
        )  # fmt: skip

    def flops(self) -> int:
        """A multiplication and an addition for each value of the filter at each place."""
        spread = self.image if self.transposed else self.output
        return 2 * spread.numel() * math.prod(self.weight.shape[1:])

    def _name(self) -> str:
        kernel = list(self.weight.shape[2:])
        if self.groups > 1 and self.weight.shape[1] == 1:
            size = f"{kernel[0]}x{kernel[0]}" if kernel in ([3, 3], [5, 5]) else "large"
            return f"depthwise_{size}"
        if self.groups > 1:
            return "grouped_convolution"
        if self.transposed:
            return "convolution"
        if self.weight.shape[1] <= FEW_CHANNELS:
            return "first_convolution"
        if math.prod(kernel) == 1:
            return "convolution_1x1"
        return "convolution_3x3" if self._suits_winograd() else "convolution"

    def _padded(self, flops: int) -> int:
        """Operations with the channels that fill up tiles. Depthwise kernels have no tiles."""
        out, inside, *kernel = self.weight.shape
        out_of_group = out // self.groups
        if self.groups > 1 and inside == 1:
            return flops
        if self.groups > 1:
            share = padded(out_of_group, GROUP_TILE) * padded(inside, GROUP_TILE) / max(1, out_of_group * inside)
        else:
            reduced = inside * math.prod(kernel)
            share = padded(out, CHANNEL_TILE) * padded(reduced, REDUCED_TILE) / max(1, out * reduced)
        return round(flops * share)

    def _suits_winograd(self) -> bool:
        steps = (*self.stride, *self.dilation)
        is_3x3 = list(self.weight.shape[2:]) == [3, 3]
        return is_3x3 and all(step == 1 for step in steps) and self.groups == 1 and not self.transposed

    def _measured_class(self) -> tuple[Kind, int, int]:
        """Kind, narrowest side and reduced length under which operators were measured one by one.

        A dense 3x3 convolution of stride 1 runs on Winograd kernels; all others are computed as matrix products.
        """
        out, inside, *kernel = self.weight.shape
        if self._suits_winograd():
            return "conv", min(out, inside), 0
        reduced = inside * math.prod(kernel)
        rows = self.output.numel() // max(1, self.output.shape[1])
        return "linear", min(out // self.groups, reduced, rows), reduced


RULES = {forward_work: frozenset({aten.convolution}), backward_work: frozenset({aten.convolution_backward})}
"""Rule -> the operators that it counts."""
