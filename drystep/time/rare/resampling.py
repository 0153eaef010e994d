"""Rarer operators on maps: sampling at places, resizing, pooling, padding, and patches as columns.

Forward kernels read their input once from memory, however often it is read from a cache: the items are all taps.
Backward kernels that add atomically write zeros first, then read and write the places that they add to.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Kind, Work, WorkRule
from drystep.time.rare.operands import bytes_in, first_of, name_of, named, operators

GRID_TAPS = {0: 2, 1: 1, 2: 4}
"""Interpolation of `grid_sampler` (linear, nearest, cubic) -> taps along a side."""
RESIZE_TAPS = {"nearest": 1, "linear": 2, "bilinear": 2, "trilinear": 2, "bicubic": 4}
"""Interpolation of `upsample` -> taps along a side. With antialiasing, these are the width of the filter at scale 1."""


def _sampled(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """A thread for each place and image, which goes through the channels (`cuda/GridSampler.cu`).

    Of an input that is larger than all taps together, the taps are read.
    """
    input, grid, interpolation = args[:3]
    taps = GRID_TAPS[interpolation] ** (input.dim() - 2)
    moved = min(bytes_in(input), taps * bytes_in(result)) + bytes_in(grid, result)
    items = taps * result.numel()
    return Work("gather", 0, moved, 1, result.dtype, group="sampling.forward", items=items)


def _sampled_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Zeros, then atomic additions to the input's gradient and a write of the grid's (`cuda/GridSampler.cu`)."""
    grad, input, grid, interpolation = args[:4]
    of_input, of_grid = result
    taps = GRID_TAPS[interpolation] ** (input.dim() - 2)
    added = 0 if of_input is None else bytes_in(of_input) + 2 * min(bytes_in(of_input), taps * bytes_in(grad))
    moved = bytes_in(grad, grid, of_grid) + min(bytes_in(input), taps * bytes_in(grad)) + added
    kernels = 1 if of_input is None else 2
    return Work("gather", 0, moved, kernels, grad.dtype, group="sampling.backward", items=taps * grad.numel())


def _taps(name: str, large: Sequence[int], small: Sequence[int]) -> int:
    """Taps for each output of a resize from sides `large` to sides `small`, or the other way round."""
    method = next(method for method in sorted(RESIZE_TAPS, key=len, reverse=True) if method in name)
    per_side = RESIZE_TAPS[method]
    if "_aa" not in name:
        return int(per_side ** len(small))
    return math.prod(per_side * max(1, math.ceil(a / b)) for a, b in zip(large, small, strict=True))


def _resized(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """A thread for each place reads the taps around it (`cuda/UpSample*.cu`).

    With antialiasing the filter is as much wider as the map becomes smaller.
    """
    input, name = args[0], name_of(func)
    taps = _taps(name, input.shape[2:], result.shape[2:])
    kind: Kind = "elementwise" if taps == 1 else "gather"
    moved = bytes_in(input, result)
    return Work(kind, 0, moved, 1, result.dtype, group="sampling.forward", items=taps * result.numel())


def _resized_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """The gradients of nearest neighbours are summed by their own threads; all others are added atomically."""
    grad, name = args[0], name_of(func)
    taps = _taps(name, result.shape[2:], grad.shape[2:])
    items = taps * grad.numel()
    if "nearest" in name:
        return Work("elementwise", 0, bytes_in(grad, result), 1, grad.dtype, group="sampling.backward", items=items)
    touched = min(bytes_in(result), taps * bytes_in(grad))
    moved = bytes_in(grad, result) + 2 * touched
    return Work("gather", 0, moved, 2, grad.dtype, group="sampling.backward", items=items)


def _pooled(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Reads its input and writes its results once (`cuda/Adaptive*Pooling*.cu`, `cuda/AveragePool3d.cu`, ...).

    Windows that are not stated are those that divide the input among the outputs.
    """
    given = named(func, args, kwargs)
    input: Tensor = given["self"]
    output = first_of(result)
    stated = given.get("kernel_size")
    sides = len(stated) if stated and len(stated) > 1 else (3 if "3d" in name_of(func) else 2)
    windows = stated or [
        math.ceil(a / max(1, b)) for a, b in zip(input.shape[-sides:], output.shape[-sides:], strict=True)
    ]
    taps = math.prod(windows) if len(windows) == sides else windows[0] ** sides
    moved = bytes_in(args, result)
    last = input.dim() == 4 and not input.is_contiguous() and input.is_contiguous(memory_format=torch.channels_last)
    layout = "nhwc" if last else "nchw"
    return Work(
        "elementwise", 0, moved, 1, output.dtype, group=f"pooling.forward.{layout}", items=taps * output.numel()
    )


def _pooled_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Zeros, then atomic additions from each window: to one place that an index names, or to all (of averages)."""
    given = named(func, args, kwargs)
    grad, indices = given["grad_output"], given.get("indices")
    touched = min(bytes_in(grad), bytes_in(result)) if indices is not None else bytes_in(result)
    moved = bytes_in(grad, indices, result) + 2 * touched
    items = grad.numel() if indices is not None else result.numel()
    return Work("elementwise", 0, moved, 2, grad.dtype, group="pooling.backward", items=items)


def _unpooled(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Zeros, then a write to the places that indices name (`cuda/MaxUnpooling.cu`)."""
    values, indices = args[:2]
    moved = bytes_in(values, indices, result) + bytes_in(values)
    return Work("gather", 0, moved, 2, result.dtype, group="scatter", items=values.numel())


def _padded(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Reads its input and writes its output once (`cuda/ReflectionPad.cu`, `cuda/ReplicationPadding.cu`)."""
    return Work("copy", 0, bytes_in(args[0], result), 1, result.dtype, group="padding.forward")


def _padded_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Zeros, then an atomic addition for every value of the padded map."""
    grad = args[0]
    moved = bytes_in(grad) + 3 * bytes_in(result)
    return Work("copy", 0, moved, 2, grad.dtype, group="padding.backward", items=grad.numel())


def _to_columns(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """A kernel for each image, which writes its patches as columns (`cuda/Im2Col.cu`)."""
    images = max(1, args[0].shape[0]) if args[0].dim() == 4 else 1
    moved = bytes_in(args[0], result)
    return Work("copy", 0, moved, images, result.dtype, group="columns", items=result.numel())


def _from_columns(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """A kernel for all images, whose threads sum up the columns that cover their place (`cuda/Col2Im.cu`)."""
    return Work("copy", 0, bytes_in(args[0], result), 1, result.dtype, group="columns", items=args[0].numel())


def _windows_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Zeros, then a kernel whose threads sum up the windows that cover their place (`cuda/UnfoldBackwardKernel.cu`)."""
    moved = bytes_in(args[0]) + 2 * bytes_in(result)
    return Work("copy", 0, moved, 2, result.dtype, group="columns", items=args[0].numel())


def _rearranged(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """A copy of a view whose dimensions are permuted (`math_pixel_shuffle` in `PixelShuffle.cpp`)."""
    return Work("copy", 0, bytes_in(args[0], result), 1, result.dtype, group="copy.permuted", items=result.numel())


RESIZES = (
    "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d "
    "_upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d "
    "_upsample_bilinear2d_aa _upsample_bicubic2d_aa"
)
PADS = "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d"
POOLS = (
    "adaptive_max_pool2d adaptive_max_pool3d avg_pool3d max_pool3d_with_indices fractional_max_pool2d "
    "fractional_max_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d"
)


def _backward_of(names: str) -> frozenset[Any]:
    return operators(" ".join(f"{name}_backward" for name in names.split()))


RULES: dict[WorkRule, frozenset[Any]] = {
    _sampled: operators("grid_sampler_2d grid_sampler_3d"),
    _sampled_backward: operators("grid_sampler_2d_backward grid_sampler_3d_backward"),
    _resized: operators(RESIZES),
    _resized_backward: _backward_of(RESIZES),
    _pooled: operators(POOLS),
    _pooled_backward: _backward_of(POOLS),
    _unpooled: operators("max_unpool2d max_unpool3d"),
    _padded: operators(PADS),
    _padded_backward: _backward_of(PADS),
    _to_columns: operators("im2col"),
    _from_columns: operators("col2im"),
    _windows_backward: operators("unfold_backward"),
    _rearranged: operators("pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle"),
}
