"""Masks of whole images from the masks that a head predicts inside boxes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.detectors.targets import ImageSize

MASK_THRESHOLD = 0.5
SMALLEST_SIDE = 1e-6
"""Side, in pixels, that an empty box is taken to have, so that positions inside it are finite."""


def paste_masks(probabilities: Tensor, boxes: Tensor, size: ImageSize) -> Tensor:
    """Paste masks (n, S, S) into boxes (n, 4) of an image of `size`: (n, H, W) bool.

    A pixel is inside where the probability, interpolated at the pixel's centre, reaches `MASK_THRESHOLD`. Beyond its
    box a mask is zero. This is how mmdetection and detectron2 paste masks; torchvision first rounds the boxes to whole
    pixels.
    """
    pasted = torch.zeros(len(boxes), *size, dtype=torch.bool, device=boxes.device)
    for mask, box, whole in zip(probabilities, boxes, pasted, strict=True):
        _paste(mask, box, whole)
    return pasted


def _paste(mask: Tensor, box: Tensor, whole: Tensor) -> None:
    """Write one mask (S, S) into `whole` (H, W), at the pixels that its box touches."""
    x1, y1, x2, y2 = box.tolist()
    columns, rows = _touched(x1, x2, whole.shape[1]), _touched(y1, y2, whole.shape[0])
    if not len(columns) or not len(rows):
        return
    x, y = _places(columns, x1, x2, mask), _places(rows, y1, y2, mask)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (h, w, 2)
    values = F.grid_sample(mask[None, None], grid[None], align_corners=False)[0, 0]  # (h, w)
    whole[rows.start : rows.stop, columns.start : columns.stop] = values >= MASK_THRESHOLD


def _touched(first: float, last: float, length: int) -> range:
    """Numbers of the pixels of a line that lie between two positions, in part or as a whole."""
    return range(max(int(first), 0), min(-int(-last // 1), length))


def _places(pixels: range, first: float, last: float, like: Tensor) -> Tensor:
    """Centres of pixels as positions in a box that reaches from -1 to 1, as `grid_sample` wants them."""
    centres = torch.arange(pixels.start, pixels.stop, device=like.device, dtype=like.dtype) + 0.5
    return (centres - first) * (2 / max(last - first, SMALLEST_SIDE)) - 1
