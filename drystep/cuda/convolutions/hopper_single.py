"""Convolutions in float32 on Hopper that run without tensor cores: all where TF32 is off, and few where it is on.

Read off the requests of four training steps of RetinaNet that an NVIDIA H200 recorded with TF32 off
(`reports/measured/nvidia-h200`), and off `drystep/ground_truth/convolution_workspaces_h200.csv` with TF32 on.
"""

import math

from drystep.cuda.convolutions.sizes import Convolution, Direction, tiled_fft_bytes, winograd_bytes

FEWEST_WINOGRAD_POSITIONS = 160
"""Positions of a response from which on Winograd's algorithm computes the filter's gradient: 80 do not, 320 do."""
MOST_WINOGRAD_ELEMENTS = 2_500_000
"""Elements of a response up to which it does so in spite of TF32: 2.15 million do, 3.2 million do not."""
MOST_WINOGRAD_FILTERS = 65_536
"""Pairs of channels up to which it does: 65,536 do, 172,032 do not."""
FUSED_CHANNELS = 8
"""Multiple of channels that fused kernels of Winograd's algorithm take."""
LEAST_FFT_PRODUCTS = 4_000_000_000
"""Products from which on transforms are chosen where no fused kernel is: 2.0e9 are too few and 8.1e9 enough."""
FFT_TILES_AT_ONCE = 4
"""Tiles of both images that are transformed at a time."""


def bytes_without_tensor_cores(convolution: Convolution, direction: Direction) -> int:
    """Bytes that are requested where TF32 is off, as far as they are known.

    Fused kernels read NCHW. Gradients of 3x3 filters are computed by Winograd's algorithm in steps. Gradients of images
    take transforms where fused kernels do not know the response's channels: one of 16 measured convolutions did.
    """
    if not (convolution.in_nchw and convolution.suits_winograd) or convolution.groups > 1:
        return 0
    if direction == "filter_gradient" and _positions(convolution) >= FEWEST_WINOGRAD_POSITIONS:
        return winograd_bytes(convolution)
    contracted = convolution.response[1]
    if direction != "image_gradient" or not contracted % FUSED_CHANNELS:
        return 0
    products = _positions(convolution) * math.prod(convolution.filter)
    return tiled_fft_bytes(convolution, FFT_TILES_AT_ONCE) if products >= LEAST_FFT_PRODUCTS else 0


def prefers_winograd(convolution: Convolution, direction: Direction) -> bool:
    """Whether Winograd's algorithm is chosen before tensor cores in TF32, as for filters of few, small images."""
    if direction != "filter_gradient" or not (convolution.in_nchw and convolution.suits_winograd):
        return False
    positions, pairs = _positions(convolution), convolution.filter[0] * convolution.filter[1]
    small = pairs <= MOST_WINOGRAD_FILTERS and positions * convolution.response[1] <= MOST_WINOGRAD_ELEMENTS
    return small and positions >= FEWEST_WINOGRAD_POSITIONS


def _positions(convolution: Convolution) -> int:
    return convolution.response[0] * math.prod(convolution.response[2:])
