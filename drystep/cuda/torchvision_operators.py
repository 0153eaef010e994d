"""torchvision's operators, registered like those of any other package. torchvision need not be installed."""

import functools
import importlib
import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from drystep.cuda.api.rare_parts import where_parts_exist
from drystep.operators import Work, WorkRule, Workspace, register_operator
from drystep.torch_private import schema_of
from drystep.torch_replacements import replacing_batched_nms
from drystep.values.answers import ANSWERS, answer_nms

FP32_OPERATORS = ("deform_conv2d", "nms", "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool")
"""Operators that autocast runs in float32 (`torchvision/csrc/ops/autocast/`)."""
MOST_IMAGES_AT_ONCE = 32
"""`kMaxParallelImgs` in `torchvision/csrc/ops/cuda/deform_conv2d_kernel.cu`."""


BOXES_TOGETHER = 64
"""Boxes that a block of threads compares with as many others, one for each bit of a word (`nms_kernel.cu`)."""
CORNERS_TOGETHER = 100_000
"""Numbers of boxes up to which those of all classes are suppressed at once (`batched_nms` in `ops/boxes.py`)."""
TAPS = 4
"""Values that a bilinear sample is made of."""
SAMPLES_PER_SIDE = 2
"""Samples along each side of a bin, where `roi_align` chooses them by the size of each region; an assumption."""
INDEX_BYTES = 8


@functools.cache
def register_torchvision() -> None:
    """Import torchvision if it is installed, and register its operators. Later calls do nothing."""
    if importlib.util.find_spec("torchvision") is None:
        return
    importlib.import_module("torchvision")
    for name, work in WORK.items():
        register_operator(
            getattr(torch.ops.torchvision, name).default,
            cast="float32" if name in FP32_OPERATORS else None,
            work=work,
            workspaces={"deform_conv2d": _deform_forward, "_deform_conv2d_backward": _deform_backward}.get(name),
        )
    ANSWERS[torch.ops.torchvision.nms.default] = answer_nms


def suppression_as_on_cuda(device: torch.device) -> AbstractContextManager[Any]:
    """Suppress boxes on the CPU as torchvision does on a GPU, where it compares more of them at once."""
    if device.type != "cpu" or importlib.util.find_spec("torchvision") is None:
        return nullcontext()
    boxes = importlib.import_module("torchvision.ops.boxes")
    return where_parts_exist(lambda: replacing_batched_nms(CORNERS_TOGETHER), (boxes, "batched_nms"))


def _deform_forward(args: tuple[Any, ...]) -> Iterator[Workspace]:
    """Yield what a deformable convolution allocates besides its result (`deform_conv2d_forward_kernel`).

    That is the result twice, before the bias is added and in the order in which images are computed together, and the
    sampled patches.
    """
    input, weight, offset, *_ = args
    outputs = input.shape[0] * weight.shape[0] * math.prod(offset.shape[2:])
    yield _held(2 * outputs + _patches(input, weight, offset), input)


def _deform_backward(args: tuple[Any, ...]) -> Iterator[Workspace]:
    """Yield what its backward allocates besides the gradients (`backward_gradient_parameters`).

    That is the output's gradient in the order in which images are computed together, and the sampled patches.
    """
    grad_output, input, weight, offset, *_ = args
    yield _held(grad_output.numel() + _patches(input, weight, offset), input)


def _patches(input: Tensor, weight: Tensor, offset: Tensor) -> int:
    """Number of sampled values of the images that are computed together."""
    batch = input.shape[0]
    together = next((count for count in range(MOST_IMAGES_AT_ONCE, 0, -1) if batch and batch % count == 0), 0)
    return input.shape[1] * math.prod(weight.shape[2:]) * together * math.prod(offset.shape[2:])


def _held(values: int, like: Tensor) -> Workspace:
    return Workspace(values * like.element_size(), soft=False, kept=False)


def _nms(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Count a sort of the scores, the comparisons of all pairs of boxes, and the choice from their mask.

    Scores and places are radix-sorted by digits of 8 bits, and boxes gathered in order (read, written). Tiles of 64 by
    64 pairs on and above the diagonal read their boxes and write a word of the mask for each (`nms_kernel_impl`). One
    block goes through the boxes in order and reads the words of those that it keeps, half of a row on average
    (`gather_keep_from_mask`); the kept places are selected. The items are the kept boxes, as each waits for the one
    before it.
    """
    boxes, scores, _ = args
    count, kept, key_bytes = boxes.shape[0], result.shape[0], scores.element_size()
    groups = math.ceil(count / BOXES_TOGETHER)
    tiles = groups * (groups + 1) // 2
    sort_bytes = count * (INDEX_BYTES + key_bytes + 2 * key_bytes * (key_bytes + INDEX_BYTES))
    tile_bytes = BOXES_TOGETHER * (2 * 4 * boxes.element_size() + INDEX_BYTES)
    chosen_bytes = kept * groups * INDEX_BYTES // 2 + 4 * count + 3 * _bytes(result)  # a byte for each box, and places
    moved = sort_bytes + 2 * _bytes(boxes) + tiles * tile_bytes + chosen_bytes
    return Work("gather", 0, moved, 7 + key_bytes, boxes.dtype, group="nms", items=kept, blocks=1)


def _roi(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Count a thread for each value of the result, which reads its taps (`roi_align_kernel.cu` and its kind).

    The map is read once, or the taps where they are fewer. Regions of `roi_pool` are taken to cover it once.
    """
    input, rois = args[:2]
    output = result if isinstance(result, Tensor) else result[0]
    items = _taps(func, args) * output.numel() if "align" in func.__name__ else max(input.numel(), output.numel())
    moved = min(_bytes(input), items * input.element_size()) + _bytes(rois)
    moved += _bytes(*([result] if isinstance(result, Tensor) else result))
    return Work("gather", 0, moved, 1, output.dtype, group="sampling.forward", items=items)


def _roi_backward(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Count zeros, and atomic additions for every tap; of pooled maxima one each, of pooled averages the map."""
    grad = args[0]
    taps = _taps(func, args) if "align" in func.__name__ else 1
    items = max(grad.numel(), result.numel()) if "ps_roi_pool" in func.__name__ else taps * grad.numel()
    read = _bytes(*(tensor for tensor in args if isinstance(tensor, Tensor)))
    moved = read + _bytes(result) + 2 * min(_bytes(result), items * grad.element_size())
    return Work("gather", 0, moved, 2, grad.dtype, group="sampling.backward", items=items)


def _taps(func: Any, args: Sequence[Any]) -> int:
    """Values that are read for each value of the result of `roi_align` and `ps_roi_align`."""
    names = [argument.name for argument in schema_of(func).arguments]
    sampling: int = args[names.index("sampling_ratio")]
    return int(TAPS * (sampling if sampling > 0 else SAMPLES_PER_SIDE) ** 2)


def _deform_work(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> Work:
    """Count the sampling of patches, and the product of filters and patches (`deform_conv2d_forward_kernel`).

    The buffer of patches is zeroed once; patches are written and read. Two buffers like the result are zeroed, one is
    added to by the product (read, written) and copied to the other (read, written), and the bias is added (read,
    written).
    """
    input, weight, offset, mask = args[:4]
    patches, batches = _all_patches(input, weight, offset)
    buffers = 2 * patches + patches // max(1, batches)
    moved = _bytes(input, offset, mask) + batches * _bytes(weight) + buffers * input.element_size() + 8 * _bytes(result)
    groups: int = args[11]
    return _deform(input, weight, groups, 1, patches, moved, 5 + batches * (1 + groups))


def _deform_backward_work(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Count the gradients of patches, of what they were sampled from, and of filters (`deform_conv2d_backward_kernel`).

    Gradients of patches are zeroed, added to by a product (read, written), and read twice: with the input for those of
    offsets and masks, and for those of the input, which are zeroed and added to atomically. Then the patches are
    sampled again (written) and read by the product that gives the filters' gradients. The output's gradient is put into
    another order (read, written) for either product, and summed up for the bias.
    """
    grad, input, weight, offset, mask = args[:5]
    of_input, of_weight, of_offset, of_mask = result[:4]
    patches, batches = _all_patches(input, weight, offset)
    read = 7 * _bytes(grad) + 2 * _bytes(input) + 3 * _bytes(offset, mask) + batches * _bytes(weight)
    written = 3 * _bytes(of_input) + (1 + 2 * batches) * _bytes(of_weight) + 2 * _bytes(of_offset, of_mask)
    groups: int = args[12]
    moved = read + written + 7 * patches * input.element_size()
    return _deform(input, weight, groups, 2, patches, moved, 8 + batches * (4 + 3 * groups))


def _all_patches(input: Tensor, weight: Tensor, offset: Tensor) -> tuple[int, int]:
    """Number of sampled values of all images, and of batches of images that are computed together."""
    total = input.shape[0] * input.shape[1] * math.prod(weight.shape[2:]) * math.prod(offset.shape[2:])
    return total, total // max(1, _patches(input, weight, offset))


def _deform(
    input: Tensor, weight: Tensor, groups: int, products: int, patches: int, moved_bytes: int, kernels: int
) -> Work:
    """For each group, products of filters (out / groups, in / groups x k x k) and as many rows of patches."""
    outputs, reduced = weight.shape[0] // groups, math.prod(weight.shape[1:])
    flops = products * 2 * patches * outputs
    return Work(
        "linear", flops, moved_bytes, kernels, input.dtype, min(outputs, reduced), reduced, group="deform_conv2d",
        items=TAPS * patches * products,
    )  # fmt: skip


def _bytes(*tensors: Tensor) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


WORK: dict[str, WorkRule] = {
    "nms": _nms,
    **dict.fromkeys(("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool"), _roi),
    **dict.fromkeys(
        ("_roi_align_backward", "_roi_pool_backward", "_ps_roi_align_backward", "_ps_roi_pool_backward"), _roi_backward
    ),
    "deform_conv2d": _deform_work,
    "_deform_conv2d_backward": _deform_backward_work,
}
"""Operators of torchvision -> how their work is counted."""
