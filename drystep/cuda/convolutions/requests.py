"""Workspaces that cuDNN requests for a convolution: which card and version takes which algorithm.

A workspace lasts as long as the call, and is *soft*: if it cannot be allocated, cuDNN's next algorithm runs instead
(`AlgoIterator` in `aten/src/ATen/native/cudnn/Conv_v7.cpp`, `try_plans` in `Conv_v8.cpp`).
"""

from collections.abc import Iterator
from typing import Any

import torch

from drystep.cuda.convolutions.hopper import HOPPER, hopper_workspaces
from drystep.cuda.convolutions.sizes import Convolution, Direction, copies_bytes, sizes_of_algorithms, winograd_bytes
from drystep.cuda.rules import Rules
from drystep.operators import Workspace
from drystep.torch_private import convolutions_take_tf32

UNKNOWN_CARD = ""
VOLTA, TURING = "7.0", "7.5"
WITH_TF32 = (UNKNOWN_CARD, "8.0", "8.6", "8.7", "8.9", "9.0", "10.0", "10.3", "11.0", "12.0", "12.1")
"""Compute capabilities whose tensor cores take float32, which is PyTorch's default for convolutions. A card that is not
known counts as one of them."""
TENSOR_CORES = {
    torch.float32: WITH_TF32,
    torch.float16: (*WITH_TF32, VOLTA, TURING),
    torch.bfloat16: WITH_TF32,
}
"""Type -> compute capabilities of the cards that convolve it on tensor cores, whose kernels read NHWC."""
MEASURED_DIMENSIONS = 4
"""Dimensions of the maps that were measured on Hopper; one-dimensional convolutions run as two-dimensional ones."""


def convolution_workspaces(rules: Rules, *args: Any) -> Iterator[Workspace]:
    """Yield the workspaces of a forward convolution, given the arguments of `aten.convolution`."""
    convolution = Convolution.of_forward(*args)
    yield from _requests(rules, convolution, "image_gradient" if convolution.transposed else "forward")


def convolution_backward_workspaces(rules: Rules, *args: Any) -> Iterator[Workspace]:
    """Yield the workspaces of a convolution's gradients, given the arguments of `aten.convolution_backward`.

    The input's gradient is computed first, then the filter's.
    """
    convolution, wanted = Convolution.of_backward(*args), args[-1]
    if wanted[0]:
        yield from _requests(rules, convolution, "forward" if convolution.transposed else "image_gradient")
    if wanted[1]:
        yield from _requests(rules, convolution, "filter_gradient")


def _requests(rules: Rules, convolution: Convolution, direction: Direction) -> Iterator[Workspace]:
    measured = rules.cudnn_9 and not rules.cudnn_benchmark and len(convolution.image) <= MEASURED_DIMENSIONS
    if measured and convolution.dtype in TENSOR_CORES:
        tf32 = convolutions_take_tf32()
        yield from hopper_workspaces(convolution, direction, tf32)
    if convolution.is_depthwise:
        return  # PyTorch's own kernels (`use_cudnn_depthwise` in `native/Convolution.cpp`)
    if rules.cudnn_benchmark:
        yield from _tried(convolution, direction)
        return
    yield from _copies(convolution, direction, HOPPER if measured else None)
    if direction == "filter_gradient":
        yield from _winograd_filter_gradient(rules, convolution)


def _tried(convolution: Convolution, direction: Direction) -> Iterator[Workspace]:
    """Yield what `cudnn.benchmark` takes: the largest workspace of any algorithm that fits the free memory.

    With it PyTorch allocates that much to try the algorithms, and the fastest may need as much later
    (`getMaxWorkspaceSize` in `Conv_v7.cpp`, `get_available_workspace` in `Conv_v8.cpp`).
    """
    sizes = sizes_of_algorithms(convolution, direction)
    if sizes:
        yield Workspace(sizes[0], soft=True, kept=False, certain=False, smaller_bytes=tuple(sizes[1:]))


def _copies(convolution: Convolution, direction: Direction, measured: str | None) -> Iterator[Workspace]:
    """Yield the copies that tensor-core kernels read, where an NCHW map meets kernels that read NHWC.

    Not on the architecture that is `measured`, whose requests are known.

    A dense forward convolution copies the image and the filter, and writes NCHW itself
    (`..._fprop_implicit_gemm_..._nhwckrsc_nchw_...`). 3x3 filters of stride 1 use Winograd's algorithm instead, which
    needs less than half of the multiplications and whose fused kernels read NCHW. Gradients of a grouped convolution
    copy both maps and the filter, one after the other; dense gradients run without copies, which would have shown in
    the measurements (`drystep/ground_truth/README.md`).
    """
    cards = TENSOR_CORES.get(convolution.dtype)
    if cards is None or convolution.transposed or not convolution.contiguous:
        return
    if direction == "forward":
        copied_bytes = 0 if convolution.groups > 1 or convolution.suits_winograd else copies_bytes(convolution, False)
    else:
        copied_bytes = copies_bytes(convolution, True) if convolution.groups > 1 else 0
    if copied_bytes:
        yield Workspace(
            copied_bytes,
            soft=True,
            kept=False,
            certain=False,
            architectures=tuple(card for card in cards if card != measured),
        )


def _winograd_filter_gradient(rules: Rules, convolution: Convolution) -> Iterator[Workspace]:
    """Yield the workspace of Winograd's algorithm in steps, by which Volta computes filter gradients in float32.

    Known of Volta, with the heuristics of cuDNN's API before version 8: the peaks of mmsegmentation's model zoo show
    it, and pytorch#13412 that a V100 takes twice a P100's memory. Of Volta after 2.0, when version 8 of the API became
    the default (pull request 91117), and of Turing, which has no TF32 either, it is not known: there it counts in the
    upper bound alone.
    """
    if convolution.dtype != torch.float32 or convolution.groups > 1 or not convolution.suits_winograd:
        return
    size_bytes = winograd_bytes(convolution)
    known = (VOLTA,) if rules.cudnn_heuristics_v7 else ()
    if known:
        yield Workspace(size_bytes, soft=True, kept=False, architectures=known)
    others = tuple(card for card in (VOLTA, TURING) if card not in known)
    yield Workspace(size_bytes, soft=True, kept=False, certain=False, architectures=others)
