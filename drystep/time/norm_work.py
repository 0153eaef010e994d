"""Work of normalizations and softmax: what their kernels read and write, and the rows that they handle one by one."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Work
from drystep.time.tensors import bytes_of, bytes_of_all, layout_of, power_of_two

aten = torch.ops.aten


def batch_norm(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """Batch norm reads its input twice in training: for the statistics, and to normalize.

    Channels first, cuDNN gives each channel to one block of threads (`bn_fw_tr_1C11_kernel_NCHW`), so that a
    multiprocessor works through all values of a channel, however few channels there are.
    """
    image = args[0]
    trains = args[3] if isinstance(args[3], bool) else args[5]  # without running statistics it comes after the bias
    layout, channels = layout_of(image), image.shape[1]
    if trains:
        moved, group = 2 * bytes_of(image) + bytes_of(result[0]), f"batch_norm.forward.{layout}"
        yield _serial(group, moved, image, channels if layout == "nchw" else 0)
    else:
        moved = bytes_of(image) + bytes_of(result[0])
        yield Work("broadcast", 0, moved, 1, image.dtype, group=f"batch_norm.inference.{layout}", items=image.numel())


def batch_norm_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """Both sums, and then the gradient, read the output's gradient and the input (`bn_bw_1C11_kernel_new`)."""
    gradient, image = args[:2]
    layout = layout_of(image, gradient)
    moved = 2 * (bytes_of(gradient) + bytes_of(image)) + bytes_of(image)
    yield _serial(f"batch_norm.backward.{layout}", moved, image, image.shape[1] if layout == "nchw" else 0)


def _serial(group: str, moved_bytes: int, image: Tensor, blocks: int) -> Work:
    return Work("broadcast", 0, moved_bytes, 1, image.dtype, group=group, items=image.numel(), blocks=blocks)


def layer_norm(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """One kernel, a block of threads for each row (`vectorized_layer_norm_kernel` in `layer_norm_kernel.cu`)."""
    length = math.prod(args[1])
    moved, rows = bytes_of(args[0]) + bytes_of(result[0]), args[0].numel() // max(1, length)
    yield Work("layer_norm", 0, moved, 1, args[0].dtype, 0, length, group="layer_norm.forward", items=rows)


def layer_norm_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """One kernel for the gradient of the input and one for weight and bias; both read gradient and input."""
    gradient, image, shape, *_, wanted = args
    length = math.prod(shape)
    read = bytes_of(gradient) + bytes_of(image)
    passes = bool(wanted[0]) + (bool(wanted[1]) or bool(wanted[2]))
    moved = passes * read + (bytes_of(result[0]) if wanted[0] else 0)
    rows, group = image.numel() // max(1, length), "layer_norm.backward"
    yield Work(
        "layer_norm_backward", 0, moved, max(1, passes), image.dtype, 0, length, group=group, items=rows
    )  # fmt: skip


def group_norm(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """One kernel for the statistics and one that normalizes; both read the input (`group_norm_kernel.cu`)."""
    moved = 2 * bytes_of(args[0]) + bytes_of(result[0])
    yield Work("broadcast", 0, moved, 2, args[0].dtype, group="group_norm.forward")


def group_norm_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """Sums, and then the gradient, read the output's gradient and the input (`group_norm_kernel.cu`)."""
    moved = 2 * (bytes_of(args[0]) + bytes_of(args[1])) + bytes_of(args[1])
    yield Work("broadcast", 0, moved, 3, args[1].dtype, group="group_norm.backward")


def softmax(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Iterator[Work]:
    """One kernel; short rows fill up to a power of two (`softmax_warp_forward` in `PersistentSoftmax.cuh`)."""
    moved, length = bytes_of(args[0]) + bytes_of(result), args[0].shape[args[1]] if args[0].dim() else 1
    yield Work(
        "softmax", 0, moved, 1, result.dtype, 0, length, group="softmax.forward", items=_filled(args[0], length)
    )  # fmt: skip


def softmax_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Iterator[Work]:
    """Two kernels: the first writes a product that the second reduces (`softmax_backward_cuda_out` in `SoftMax.cu`)."""
    length = args[1].shape[args[2]] if args[1].dim() else 1
    moved = 2 * (bytes_of(args[0]) + bytes_of(args[1])) + 2 * bytes_of(result)
    yield Work(
        "elementwise", 0, moved, 2, result.dtype, group="softmax.backward", items=_filled(args[1], length)
    )  # fmt: skip


def _filled(rows: Tensor, length: int) -> int:
    return rows.numel() // max(1, length) * power_of_two(length)


def dropout(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Iterator[Work]:
    """One kernel, which writes the mask, too."""
    yield Work("dropout", 0, bytes_of(args[0]) + bytes_of_all(result), 1, args[0].dtype)


RULES = {
    batch_norm: frozenset({aten.native_batch_norm, aten._native_batch_norm_legit, aten.cudnn_batch_norm}),
    batch_norm_backward: frozenset({aten.native_batch_norm_backward}),
    layer_norm: frozenset({aten.native_layer_norm}),
    layer_norm_backward: frozenset({aten.native_layer_norm_backward}),
    group_norm: frozenset({aten.native_group_norm}),
    group_norm_backward: frozenset({aten.native_group_norm_backward}),
    softmax: frozenset({aten._softmax, aten._log_softmax}),
    softmax_backward: frozenset({aten._softmax_backward_data, aten._log_softmax_backward_data}),
    dropout: frozenset({aten.native_dropout}),
}
"""Rule -> the operators that it counts."""
