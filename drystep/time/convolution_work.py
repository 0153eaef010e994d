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
from drystep.time.tensors import bytes_of, is_plain, layout_of, padded

aten = torch.ops.aten
CHANNEL_TILE, REDUCED_TILE = 64, 32
"""Output channels and summed values of a small tile of cuDNN's products (`..._64x32...` in names of kernels)."""
GROUP_TILE = 32
"""Channels of a group are filled up to a tile of this many."""
WIDTHS = (4, 8, 16, 32, 64, 128)
"""Channels of a group, by which grouped convolutions are told apart: up to each, and beyond the last."""
DEPTHWISE_SIZES = ([3, 3], [5, 5], [7, 7])
LARGEST_STRIDED = 5
"""Side up to which depthwise kernels with strides are like those without."""
EIGHT = 8
DENSE = ("convolution", "first_convolution")
"""Beginnings of the names of convolutions whose channels are in one group."""
FEW_CHANNELS = 4
"""Images have no more channels; tiles of the first convolution are mostly empty."""


def forward_work(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Iterator[Work]:
    """The work of `aten.convolution`, and of adding the bias, which PyTorch does in a kernel of its own."""
    image, weight, bias = args[:3]
    convolution = _Convolution(image, weight, result, args[3:9])
    yield from convolution.copies()
    yield convolution.work("forward")
    if bias is not None:
        yield Work("elementwise", 0, 2 * bytes_of(result), 1, result.dtype)


def backward_work(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """The work of `aten.convolution_backward`: one convolution for each gradient that is wanted, and a sum."""
    gradient, image, weight = args[:3]
    wanted = args[10]
    convolution = _Convolution(image, weight, gradient, args[4:10])
    yield from convolution.copies()
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
        dtype = self.image.dtype
        kind, narrowest, reduced = self._measured_class()
        in_groups = self.groups > 1 and self.weight.shape[1] > 1
        return Work(
            kind, flops, moved, 1, dtype, narrowest, reduced, tf32=torch.backends.cudnn.allow_tf32,
            group=self._group(direction), padded_flops=self._padded(flops),
            items=flops if in_groups else 0, blocks=self.groups if in_groups else 0,
        )  # fmt: skip

    def copies(self) -> Iterator[Work]:
        """The copy of an image whose values do not lie in one piece, as of a slice of channels."""
        if not is_plain(self.image):
            moved, group = 2 * bytes_of(self.image), "copy.permuted"
            yield Work("copy", 0, moved, 1, self.image.dtype, group=group, items=self.image.numel())

    def flops(self) -> int:
        """A multiplication and an addition for each value of the filter at each place."""
        spread = self.image if self.transposed else self.output
        return 2 * spread.numel() * math.prod(self.weight.shape[1:])

    def _group(self, direction: str) -> str:
        """Dense convolutions run on the same kinds of kernels in all directions; others have kernels for each."""
        name = self._name()
        parts = [name, layout_of(self.image, self.output), precision_of(self.image.dtype)]
        return ".".join(parts if name.startswith(DENSE) else [name, direction, *parts[1:]])

    def _name(self) -> str:
        """Kernels differ by size, and by whether channels come in eights, which tensor cores read at once."""
        kernel = list(self.weight.shape[2:])
        inside, out = self.weight.shape[1], self.weight.shape[0]
        if self.groups > 1 and inside == 1:
            size = f"{kernel[0]}x{kernel[0]}" if kernel in DEPTHWISE_SIZES else "large"
            if not is_plain(self.image):
                return f"depthwise_{size}_slice"
            if max(kernel) > LARGEST_STRIDED and max(self.stride) > 1:
                return f"depthwise_{size}_strided"
            return f"depthwise_{size}{'' if out % EIGHT == 0 else '_unaligned'}"
        if self.groups > 1:
            width = min(inside, out // self.groups)
            return f"grouped_convolution_{next((size for size in WIDTHS if width <= size), WIDTHS[-1])}"
        if inside <= FEW_CHANNELS and not self.transposed:
            return "first_convolution"
        name = "convolution_1x1" if math.prod(kernel) == 1 else "convolution"
        name = "convolution_3x3" if self._suits_winograd() else name
        half = precision_of(self.image.dtype) == "half"
        return f"{name}_unaligned" if half and (inside % EIGHT or out % EIGHT) else name

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
