"""Workspaces of cuDNN 9's convolutions on Hopper, as an NVIDIA H200 was measured to request them.

Kernels of Hopper read NHWC. Maps and filters in NCHW are copied for both directions, with channels padded to 16
bytes, and so are maps in NHWC whose channels are no multiple of that. Filter gradients are summed in parts, in
float32. Measured: `drystep/ground_truth/convolution_workspaces_h200.csv`, with PyTorch 2.11 and cuDNN 9.19, in float32
(TF32) and float16, without dilation. Inferred: that bfloat16 is like float16, that dilation changes nothing, and that
all versions 9 of cuDNN choose alike.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from drystep.cuda.convolutions.hopper_single import bytes_without_tensor_cores, prefers_winograd
from drystep.cuda.convolutions.sizes import SINGLE_BYTES, Convolution, Direction, winograd_bytes
from drystep.cuda.scratch.multiprocessors import MULTIPROCESSORS
from drystep.operators import Workspace

HOPPER = "9.0"
ON_HOPPER = MULTIPROCESSORS[HOPPER]
VECTOR_BYTES = 16
"""What a thread loads at once: channels are padded to a multiple of it."""
FEW_GROUPS = 3
"""Groups up to which forward convolutions in half precision read channels as dense ones do."""
LARGEST_PADDED_GROUP = 32
"""Groups of up to so many channels are padded to a power of two."""
SMALLEST_GROUP = 8
"""Channels of a group from which on the image's gradient in float32 takes copies."""
FEWEST_CHANNELS = 4
"""Images of fewer channels, which are those of first layers, have kernels of their own in the forward pass."""
NARROW = 128
"""Channels below which 1x1 filters with strides may run on kernels that need no copies: 72 do, 216 do not."""
FEWEST_POSITIONS = 512
"""Positions of an image from which on its gradient in float32 takes copies: 320 do not, 512 do."""
BLOCK_SIDE = 128
"""Side of the blocks of a filter's gradient that a multiprocessor computes; in half precision also twice as high."""
COPIED_SIDE = 64
"""Channels of the parts of a filter's gradient are padded to a multiple of it."""
SHORTEST_SUM_SINGLE, SHORTEST_SUM_HALF = 1000, 3000
"""Positions that a part sums at least. Half of the measured filter gradients agree with it, and none of the next
numbers tried agrees with more."""


def hopper_workspaces(convolution: Convolution, direction: Direction, tf32: bool) -> Iterator[Workspace]:
    """Yield what a convolution of two-dimensional maps requests, and what it may request beyond that.

    `tf32` says whether convolutions in float32 may run on tensor cores (`torch.backends.cudnn.allow_tf32`).
    """
    copies = _Copies.of(convolution, direction)
    single = convolution.dtype.itemsize == SINGLE_BYTES
    if single and not tf32:
        certain = bytes_without_tensor_cores(convolution, direction)
        possible = 0 if certain or convolution.is_depthwise else copies.whole
    elif single and convolution.groups == 1 and prefers_winograd(convolution, direction):
        certain, possible = winograd_bytes(convolution), 0
    elif convolution.groups > 1:
        certain, possible = _grouped(convolution, direction, copies)
    elif convolution.strides_once and math.prod(convolution.filter[2:]) == 1:
        certain, possible = _pointwise(convolution, direction, copies)
    else:
        certain, possible = _dense(convolution, direction, copies)
    if certain:
        yield Workspace(certain, soft=True, kept=False, architectures=(HOPPER,))
    if possible:
        yield Workspace(possible, soft=True, kept=False, certain=False, architectures=(HOPPER,))


class _Copies(NamedTuple):
    """Bytes of copies in NHWC, channels padded; 0 for what is in that form already."""

    image: int
    response: int
    filter: int
    whole: int
    """All three of a map in NCHW, whatever the layout at hand."""

    @classmethod
    def of(cls, convolution: Convolution, direction: Direction) -> "_Copies":
        as_dense = direction == "forward" and convolution.dtype.itemsize < SINGLE_BYTES
        groups = 1 if as_dense and convolution.groups <= FEW_GROUPS else convolution.groups
        image_channels, image = _padded(convolution.image, convolution, groups)
        response_channels, response = _padded(convolution.response, convolution, groups)
        taps = math.prod(convolution.filter[2:])
        filter_bytes = image_channels * response_channels // convolution.groups * taps * convolution.dtype.itemsize
        pads_image, pads_response = image_channels > convolution.image[1], response_channels > convolution.response[1]
        if taps == 1 and not (pads_image or pads_response):
            filter_bytes = 0  # NCHW and NHWC coincide
        whole = image + response + filter_bytes
        if convolution.in_nchw:
            return cls(image, response, filter_bytes, whole)
        pads_filter = pads_image or pads_response
        return cls(image * pads_image, response * pads_response, filter_bytes * pads_filter, whole)

    @property
    def needed(self) -> int:
        return self.image + self.response + self.filter


def _padded(shape: tuple[int, ...], convolution: Convolution, groups: int) -> tuple[int, int]:
    """Channels of a map after padding those of each group, and its bytes."""
    step = VECTOR_BYTES // convolution.dtype.itemsize
    channels = shape[1] // groups
    if groups > 1 and channels <= LARGEST_PADDED_GROUP:
        channels = 1 << (channels - 1).bit_length()
    else:
        channels = _up(channels, step)
    channels *= groups
    return channels, shape[0] * channels * math.prod(shape[2:]) * convolution.dtype.itemsize


def _dense(convolution: Convolution, direction: Direction, copies: _Copies) -> tuple[int, int]:
    """Bytes that are requested and that may be requested, of filters that are larger than a point or have strides."""
    single = convolution.dtype.itemsize == SINGLE_BYTES
    positions = convolution.image[0] * math.prod(convolution.image[2:])
    if convolution.image[1] < FEWEST_CHANNELS:
        certain = direction != "forward" and convolution.in_nchw and not single
    elif math.prod(convolution.filter[2:]) == 1 and convolution.image[1] < NARROW:
        certain = direction != "forward" and not single
    elif direction == "image_gradient" and single and positions < FEWEST_POSITIONS:
        certain = False
    else:
        certain = True
    if not certain:
        return 0, copies.whole
    parts = _parts_bytes(convolution, single) if direction == "filter_gradient" else 0
    return copies.needed + parts, _open_bytes(convolution, direction)


def _pointwise(convolution: Convolution, direction: Direction, copies: _Copies) -> tuple[int, int]:
    """The same of 1x1 filters: matrix products of each image, whose filter gradients are summed in the end.

    The choice between these and copies is open where maps are small. For filter gradients it was read off the
    measurements: sums of more than 1.5 times the copies in float32, and of 9/8 in half precision, are avoided.
    """
    batch, positions = convolution.image[0], math.prod(convolution.image[2:])
    if not convolution.in_nchw:
        return 0, _open_bytes(convolution, direction) if direction == "filter_gradient" else copies.needed
    if direction != "filter_gradient" or positions == 1:
        return 0, copies.whole
    sums_bytes = batch * math.prod(convolution.filter) * SINGLE_BYTES
    if convolution.dtype.itemsize == SINGLE_BYTES:
        keeps_sums = 2 * sums_bytes <= 3 * copies.whole
    else:
        keeps_sums = 8 * sums_bytes <= 9 * copies.whole
    return (sums_bytes if keeps_sums else copies.whole), 0


def _grouped(convolution: Convolution, direction: Direction, copies: _Copies) -> tuple[int, int]:
    """The same of grouped convolutions; the filter gradients of depthwise ones in half precision may copy maps."""
    single = convolution.dtype.itemsize == SINGLE_BYTES
    channels = convolution.image[1] // convolution.groups
    if convolution.is_depthwise:
        maps = math.prod(convolution.image) + math.prod(convolution.response)
        copies_maps = direction == "filter_gradient" and convolution.in_nchw and not single
        return 0, maps * convolution.dtype.itemsize if copies_maps else 0
    if single and channels < SMALLEST_GROUP and direction == "image_gradient":
        return 0, 0
    if not convolution.in_nchw and not copies.needed:
        return 0, copies.whole if channels > LARGEST_PADDED_GROUP else 0
    return copies.whole, 0


def _parts_bytes(convolution: Convolution, single: bool) -> int:
    """Bytes of the parts of a filter's gradient, in float32: as many as keep the multiprocessors busy.

    The positions of the response are summed in parts, which blocks of the gradient compute at once. In half precision
    the first part has its place in the result. Where a float32 gradient has more blocks than there are
    multiprocessors, but less than two for each, every multiprocessor keeps one block.
    """
    rows, columns, taps = convolution.filter[0], convolution.filter[1], math.prod(convolution.filter[2:])
    positions = convolution.response[0] * math.prod(convolution.response[2:])
    part_bytes = _up(rows, COPIED_SIDE) * _up(columns, COPIED_SIDE) * taps * SINGLE_BYTES
    for height in (BLOCK_SIDE,) if single else (2 * BLOCK_SIDE, BLOCK_SIDE):
        blocks = -(-rows // height) * -(-columns // BLOCK_SIDE) * taps
        parts = ON_HOPPER // blocks
        kept = parts if single else parts - 1
        if kept > 0 and positions >= parts * (SHORTEST_SUM_SINGLE if single else SHORTEST_SUM_HALF):
            return kept * part_bytes
        if single and ON_HOPPER < blocks <= 2 * ON_HOPPER:
            return ON_HOPPER * BLOCK_SIDE**2 * SINGLE_BYTES
    return 0


def _open_bytes(convolution: Convolution, direction: Direction) -> int:
    """Bytes of parts of sums that kernels may keep besides: two blocks a multiprocessor, or twice the result."""
    results = {
        "forward": convolution.response, "image_gradient": convolution.image, "filter_gradient": convolution.filter,
    }  # fmt: skip
    most_bytes = ON_HOPPER * BLOCK_SIDE**2 * SINGLE_BYTES
    return 2 * min(most_bytes, math.prod(results[direction]) * SINGLE_BYTES)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
