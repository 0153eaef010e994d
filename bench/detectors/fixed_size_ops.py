"""Operators whose work depends on the data but whose output size does not, so that one model runs on any device.

Each is a `torch.library.custom_op` with a real kernel for CPU and CUDA, built on torchvision's operators, and a fake
kernel for meta tensors.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import batched_nms, roi_align

from drystep.operators import register_operator

CANONICAL_ROI_SIZE = 56
"""Side, in pixels, at which an RoI moves from the finest level to the next (mmdet's `finest_scale`)."""


@torch.library.custom_op("e3va_bench::nms_keep", mutates_args=())
def nms_keep(boxes: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float, count: int) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression within groups, padded to `count` boxes.

    boxes (N, 4), scores (N,), groups (N,) int64 -> indices (count,) int64 by falling score, and valid (count,) bool;
    padding slots have index 0.
    """
    kept = batched_nms(boxes, scores, groups, iou_threshold)[:count]
    indices = boxes.new_zeros(count, dtype=torch.int64)
    indices[: len(kept)] = kept
    return indices, torch.arange(count, device=boxes.device) < len(kept)


@nms_keep.register_fake
def _(boxes: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float, count: int) -> tuple[Tensor, Tensor]:
    return boxes.new_empty(count, dtype=torch.int64), boxes.new_empty(count, dtype=torch.bool)


def roi_align_pyramid(features: Sequence[Tensor], rois: Tensor, strides: Sequence[int], output_size: int) -> Tensor:
    """RoIAlign of each RoI on the pyramid level for its size (Lin et al. 2017, equation 1; mmdet's constants).

    features: (B, C, H_l, W_l) per level; rois (N, 5) as batch index, x1, y1, x2, y2 in image pixels; strides per level.
    Returns (N, C, output_size, output_size). Sampling is adaptive and half-pixel aligned.
    """
    side = ((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])).clamp(min=0).sqrt()  # (N,)
    levels = (side / CANONICAL_ROI_SIZE + 1e-6).log2().floor().clamp(0, len(features) - 1).long()
    return _roi_align_levels(features, rois, levels, [1.0 / stride for stride in strides], output_size)


@torch.library.custom_op("e3va_bench::roi_align_levels", mutates_args=())
def _roi_align_levels(
    features: Sequence[Tensor], rois: Tensor, levels: Tensor, scales: Sequence[float], output_size: int
) -> Tensor:
    output = features[0].new_zeros(len(rois), features[0].shape[1], output_size, output_size)
    for level, (feature, scale) in enumerate(zip(features, scales, strict=True)):
        chosen = levels == level
        output[chosen] = roi_align(feature, rois[chosen], output_size, scale, sampling_ratio=-1, aligned=True)
    return output


@_roi_align_levels.register_fake
def _(features: Sequence[Tensor], rois: Tensor, levels: Tensor, scales: Sequence[float], output_size: int) -> Tensor:
    return features[0].new_empty(len(rois), features[0].shape[1], output_size, output_size)


@torch.library.custom_op("e3va_bench::roi_align_levels_backward", mutates_args=())
def _roi_align_levels_backward(
    grad: Tensor, rois: Tensor, levels: Tensor, scales: Sequence[float], sizes: Sequence[int], batch_size: int
) -> list[Tensor]:
    """Gradients of the levels; `sizes` lists H and W of one level after the other."""
    grads = []
    for level, (scale, height, width) in enumerate(zip(scales, sizes[::2], sizes[1::2], strict=True)):
        chosen = levels == level
        grads.append(
            torch.ops.torchvision._roi_align_backward(
                grad[chosen].contiguous(), rois[chosen], scale, *grad.shape[2:],
                batch_size, grad.shape[1], height, width, -1, True,
            )
        )  # fmt: skip
    return grads


@_roi_align_levels_backward.register_fake
def _(
    grad: Tensor, rois: Tensor, levels: Tensor, scales: Sequence[float], sizes: Sequence[int], batch_size: int
) -> list[Tensor]:
    return [
        grad.new_empty(batch_size, grad.shape[1], height, width)
        for height, width in zip(sizes[::2], sizes[1::2], strict=True)
    ]


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    features, rois, levels, scales, _ = inputs
    ctx.save_for_backward(rois, levels)
    ctx.scales, ctx.batch_size = scales, features[0].shape[0]
    ctx.sizes = [side for feature in features for side in feature.shape[2:]]


def _backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    grads = _roi_align_levels_backward(grad, *ctx.saved_tensors, ctx.scales, ctx.sizes, ctx.batch_size)
    return grads, None, None, None, None


_roi_align_levels.register_autograd(_backward, setup_context=_save_for_backward)


def sample_masks(masks: Tensor, boxes: Tensor, index: Tensor, size: int) -> Tensor:
    """Crop and resize one mask per box, like RoIAlign with 2 x 2 samples per bin, and threshold it at one half.

    masks (G, H, W) uint8, boxes (P, 4), index (P,) int64 into the masks -> (P, size, size) float of zeros and ones.
    Only the required pixels are gathered, whereas torchvision's RoIAlign would need all masks as floats.
    """
    height, width = masks.shape[1:]
    offset = (torch.arange(2 * size, device=boxes.device) + 0.5) / (2 * size)  # sample positions inside a unit box
    x1, y1, x2, y2 = boxes.unbind(-1)
    y = (y1[:, None] + offset * (y2 - y1)[:, None] - 0.5).clamp(0, height - 1)  # (P, 2S)
    x = (x1[:, None] + offset * (x2 - x1)[:, None] - 0.5).clamp(0, width - 1)
    top, left = y.floor().long(), x.floor().long()
    bottom, right = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    rows, which = (y - top)[:, :, None], index[:, None, None]

    def column(at: Tensor) -> Tensor:  # the mask at columns `at`, interpolated between rows: (P, 2S, 2S)
        above, below = masks[which, top[:, :, None], at[:, None, :]], masks[which, bottom[:, :, None], at[:, None, :]]
        return torch.lerp(above.float(), below.float(), rows.expand(above.shape))

    samples = torch.lerp(column(left), column(right), (x - left)[:, None, :].expand(-1, 2 * size, -1))
    return (torch.nn.functional.avg_pool2d(samples[:, None], 2)[:, 0] >= 0.5).float()


# Their kernels only take float32, like torchvision's, so autocast has to cast their arguments.
for _operator in (nms_keep, _roi_align_levels):
    _operator.register_autocast("cuda", torch.float32)
for _overload in (torch.ops.e3va_bench.nms_keep.default, torch.ops.e3va_bench.roi_align_levels.default):
    register_operator(_overload, cast="float32")
