"""torchvision's operators, registered like those of any other package. torchvision need not be installed."""

import functools
import importlib
import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drystep.operators import Work, WorkRule, Workspace, register_operator
from drystep.torch_private import schema_of
from drystep.values.answers import ANSWERS, answer_nms

FP32_OPERATORS = ("deform_conv2d", "nms", "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool")
"""Operators that autocast runs in float32 (`torchvision/csrc/ops/autocast/`)."""
MOST_IMAGES_AT_ONCE = 32
"""`kMaxParallelImgs` in `torchvision/csrc/ops/cuda/deform_conv2d_kernel.cu`."""


BOXES_TOGETHER = 64
"""Boxes that a block of threads compares with as many others, one for each bit of a word (`nms_kernel.cu`)."""
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

    Boxes are gathered in order (read, written). Blocks of 64 x 64 on and above the diagonal compare them and write a
    word of the mask for each box. One block reads the mask box after box, as each depends on those before it
    (`nms_kernel.cu`, `gather_keep_from_mask`). The items are the comparisons.
    """
    boxes, scores, _ = args
    count, size = boxes.shape[0], boxes.element_size()
    groups = math.ceil(count / BOXES_TOGETHER)
    tiles = groups * (groups + 1) // 2
    pairs_bytes = count * (size + INDEX_BYTES)
    sort_bytes = 2 * count * size + pairs_bytes * 2 * scores.element_size()  # a radix sort by digits of 8 bits
    words_bytes = count * groups * INDEX_BYTES
    compared_bytes = 2 * tiles * BOXES_TOGETHER * 4 * size + words_bytes // 2
    kept_bytes = words_bytes + 3 * count + 2 * _bytes(result)
    moved = sort_bytes + 2 * _bytes(boxes) + compared_bytes + kept_bytes
    items = tiles * BOXES_TOGETHER**2
    return Work("gather", 0, moved, 6 + scores.element_size(), boxes.dtype, group="nms", items=items)


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
    """Count zeros and samples for the patches, and a product of filters and patches (`deform_conv2d_kernel.cu`).

    Patches are zeroed, written and read. The product is added to zeros (written, read, written), copied to the order of
    the images (read, written), and the bias is added (read, written).
    """
    input, weight, offset, mask = args[:4]
    patches, batches = _all_patches(input, weight, offset)
    read = _bytes(input, offset, mask) + batches * _bytes(weight)
    moved = read + (2 * patches + _per_batch(patches, batches)) * input.element_size() + 8 * _bytes(result)
    return _deform(input, weight, args[11], 1, patches, moved, 4 + batches * (1 + args[11]))


def _deform_backward_work(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Count the gradients of the patches (a product), of what they sample, and of the filters (`deform_conv2d_kernel.cu`).

    The patches' gradients are zeroed, written, and read twice: for the offsets and masks with the input, and for the
    input, which gets them by atomic additions. Then the patches are sampled again and read by the product that gives
    the filters' gradient.
    """
    grad, input, weight, offset, mask = args[:5]
    patches, batches = _all_patches(input, weight, offset)
    size = input.element_size()
    read = 3 * _bytes(grad) + 3 * _bytes(input) + 3 * _bytes(offset, mask) + 2 * batches * _bytes(weight)
    moved = read + (5 * patches + 2 * _per_batch(patches, batches)) * size + 2 * _bytes(result[0]) + 2 * _bytes(*result)
    return _deform(input, weight, args[12], 2, patches, moved, 8 + batches * (3 + 2 * args[12]))


def _all_patches(input: Tensor, weight: Tensor, offset: Tensor) -> tuple[int, int]:
    """Number of sampled values of all images, and of batches of images that are computed together."""
    together = _patches(input, weight, offset)
    values = input.numel() // max(1, math.prod(input.shape[2:])) * math.prod(weight.shape[2:])
    total = values * math.prod(offset.shape[2:])
    return total, total // max(1, together)


def _per_batch(values: int, batches: int) -> int:
    """Values of one batch, which all share a buffer that is zeroed once."""
    return values // max(1, batches)


def _deform(
    input: Tensor, weight: Tensor, groups: int, products: int, patches: int, moved_bytes: int, kernels: int
) -> Work:
    """`products` products of filters (out / groups, in / groups x k x k) and patches, for each group."""
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
