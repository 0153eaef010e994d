"""Sizes of the workspaces that the algorithms of convolutions need, by arithmetic from the shapes.

Which algorithms there are, and for which shapes: the tables of `cudnnConvolutionForward`,
`cudnnConvolutionBackwardData` and `cudnnConvolutionBackwardFilter` in cuDNN's API reference. cuDNN does not publish
sizes: they follow from what an algorithm must store.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from drystep.cuda.layouts import convolution_layout

Direction = Literal["forward", "image_gradient", "filter_gradient"]
COMPLEX_BYTES = 8
SINGLE_BYTES = 4
"""Transforms are in single precision, whatever the maps are in."""
LARGEST_FFT = 256
"""Longest side of a padded image for transforms of whole images."""
FFT_TILE = 32
"""Side of the tiles of FFT in tiles, and the longest side of its filters."""
WINOGRAD_TILE, WINOGRAD_FILTER = 4, 3
"""Winograd's algorithm in steps computes 4x4 outputs of a 3x3 filter from 6x6 inputs."""


@dataclass(frozen=True)
class Convolution:
    """A convolution of an image to a response. Of a transposed one, the image is the output."""

    image: tuple[int, ...]
    """(batch, channels, *sides)"""
    response: tuple[int, ...]
    """(batch, channels, *sides)"""
    filter: tuple[int, ...]
    """(response channels, image channels / groups, *sides)"""
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    transposed: bool
    dtype: torch.dtype
    contiguous: bool
    """Whether the input is in NCHW or NCDHW, rather than in channels-last layout."""
    in_nchw: bool
    """Whether it runs in that layout: neither the input nor the filter is in channels-last layout."""

    @classmethod
    def of_forward(
        cls, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
        dilation: Sequence[int], transposed: bool, output_padding: Sequence[int], groups: int,
    ) -> "Convolution":  # fmt: skip
        """Read the arguments of `aten.convolution`."""
        sides = input.shape[2:]
        outputs = [
            (side - 1) * s - 2 * p + d * (k - 1) + o + 1 if transposed else (side + 2 * p - d * (k - 1) - 1) // s + 1
            for side, k, s, p, d, o in zip(
                sides, weight.shape[2:], *_per_side(len(sides), stride, padding, dilation, output_padding), strict=True
            )
        ]
        channels = weight.shape[1] * groups if transposed else weight.shape[0]
        output = (input.shape[0], channels, *outputs)
        return cls._between(input, output, weight, stride, padding, dilation, transposed, groups)

    @classmethod
    def of_backward(
        cls, grad_output: Tensor, input: Tensor, weight: Tensor, bias_sizes: Any, stride: Sequence[int],
        padding: Sequence[int], dilation: Sequence[int], transposed: bool, output_padding: Any, groups: int,
        wanted: Any,
    ) -> "Convolution":  # fmt: skip
        """Read the arguments of `aten.convolution_backward`."""
        return cls._between(input, tuple(grad_output.shape), weight, stride, padding, dilation, transposed, groups)

    @classmethod
    def _between(
        cls, input: Tensor, output: tuple[int, ...], weight: Tensor, stride: Sequence[int], padding: Sequence[int],
        dilation: Sequence[int], transposed: bool, groups: int,
    ) -> "Convolution":  # fmt: skip
        entered = tuple(input.shape)
        stride, padding, dilation = _per_side(len(entered) - 2, stride, padding, dilation)
        return cls(
            image=output if transposed else entered,
            response=entered if transposed else output,
            filter=tuple(weight.shape),
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            transposed=transposed,
            dtype=input.dtype,
            contiguous=input.is_contiguous(),
            in_nchw=convolution_layout(input, weight) == torch.contiguous_format,
        )

    @property
    def is_depthwise(self) -> bool:
        """Whether every channel has its own filter."""
        return self.groups > 1 and self.groups == self.image[1]

    @property
    def strides_once(self) -> bool:
        """Whether the filter visits every position, which transforms require."""
        return set(self.stride) == {1} == set(self.dilation)

    @property
    def suits_winograd(self) -> bool:
        """Whether Winograd's algorithm computes it: 3x3 filters in two dimensions that visit every position."""
        return self.filter[2:] == (WINOGRAD_FILTER,) * 2 and self.strides_once


def copies_bytes(convolution: Convolution, with_response: bool) -> int:
    """Size of NHWC copies of the image and the filter, and `with_response` of the response."""
    copied = [convolution.image, convolution.filter, *([convolution.response] if with_response else [])]
    return sum(map(math.prod, copied)) * convolution.dtype.itemsize


def winograd_bytes(convolution: Convolution) -> int:
    """Size of the transforms of Winograd's algorithm F(4x4, 3x3) in steps: of both maps, and of the filters."""
    points = (WINOGRAD_TILE + WINOGRAD_FILTER - 1) ** 2
    tiles = math.prod(-(-side // WINOGRAD_TILE) for side in convolution.response[2:])
    return points * SINGLE_BYTES * _transforms(convolution, tiles)


def sizes_of_algorithms(convolution: Convolution, direction: Direction) -> list[int]:
    """Sizes in bytes of the workspaces of all algorithms that need one, largest first."""
    sizes = {copies_bytes(convolution, True)}
    if convolution.suits_winograd:
        sizes.add(winograd_bytes(convolution))
    if convolution.strides_once and len(convolution.filter) == 4:
        sizes |= {_fft_bytes(convolution), _tiled_fft_bytes(convolution)}
    if direction == "forward":
        sizes.add(_matrix_bytes(convolution))
    return sorted(sizes - {0}, reverse=True)


def _fft_bytes(convolution: Convolution) -> int:
    """Half spectra (the maps are real) of padded images; 0 where an image is too large."""
    padded = [side + 2 * pad for side, pad in zip(convolution.image[2:], convolution.padding, strict=True)]
    if max(padded) > LARGEST_FFT:
        return 0
    height, width = (1 << (side - 1).bit_length() for side in padded)
    return height * (width // 2 + 1) * COMPLEX_BYTES * _transforms(convolution, 1)


def _tiled_fft_bytes(convolution: Convolution) -> int:
    """Half spectra of tiles of 32x32, of which each filter leaves a valid part; 0 where a filter is too large."""
    if max(convolution.filter[2:]) > FFT_TILE:
        return 0
    tiles = math.prod(
        -(-side // (FFT_TILE - k + 1)) for side, k in zip(convolution.response[2:], convolution.filter[2:], strict=True)
    )
    return tiled_fft_bytes(convolution, convolution.image[0] * tiles)


def tiled_fft_bytes(convolution: Convolution, tiles: int) -> int:
    """Size of half spectra of so many tiles of both maps, and of the filters."""
    maps = tiles * (convolution.image[1] + convolution.response[1])
    filters = convolution.filter[0] * convolution.filter[1]  # a filter has a tile for each of its channels
    return FFT_TILE * (FFT_TILE // 2 + 1) * COMPLEX_BYTES * (maps + filters)


def _matrix_bytes(convolution: Convolution) -> int:
    """The matrix of all patches that the filter visits (the algorithm GEMM of the forward pass)."""
    patch = math.prod(convolution.filter[1:]) * convolution.groups
    positions = convolution.response[0] * math.prod(convolution.response[2:])
    return patch * positions * convolution.dtype.itemsize


def _transforms(convolution: Convolution, tiles: int) -> int:
    """Number of transformed tiles of both maps and filters."""
    maps = convolution.image[0] * tiles * (convolution.image[1] + convolution.response[1])
    return maps + convolution.filter[0] * convolution.filter[1]  # a filter has a tile for each of its channels


def _per_side(sides: int, *settings: Sequence[int]) -> list[tuple[int, ...]]:
    """Each setting with one number per side; one number alone holds for all sides."""
    return [tuple(setting) * sides if len(setting) == 1 else tuple(setting) for setting in settings]
