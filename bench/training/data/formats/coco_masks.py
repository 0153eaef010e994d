"""Masks of COCO's annotations: polygons, and run lengths as they are or compressed."""

import math
from typing import Any

import torch
from faster_coco_eval.core import mask as mask_api
from torch import Tensor

from bench.training.data.image_files import ImageSize


def rasterise(segmentation: Any, size: ImageSize) -> Tensor:
    """Draw a segmentation without faults as uint8 (H, W), 1 inside the object, by the rules of COCO's mask API."""
    height, width = size
    return torch.from_numpy(mask_api.decode(mask_api.segmToRle(segmentation, width, height)).copy(order="C"))


def segmentation_fault(segmentation: Any, size: ImageSize) -> str | None:
    """What is wrong with a segmentation, as the end of a sentence that it begins; None if it can be drawn."""
    if isinstance(segmentation, dict):
        return _run_length_fault(segmentation, size)
    if not isinstance(segmentation, list):
        return "must be a list of polygons, or run lengths"
    for polygon in segmentation:
        if not isinstance(polygon, list) or len(polygon) % 2:
            return "has a polygon that is no list of pairs of coordinates"
        try:
            finite = math.isfinite(sum(polygon))
        except (OverflowError, TypeError):
            finite = False
        if not finite:
            return "has a polygon with coordinates that are no numbers"
    return None


def _run_length_fault(segmentation: dict[str, Any], size: ImageSize) -> str | None:
    counts = segmentation.get("counts")
    if segmentation.get("size") != list(size):
        return f"is of size {segmentation.get('size')}, but its image is {list(size)}"
    if isinstance(counts, str):
        return None if counts.isascii() and counts else "has no string of run lengths under counts"
    if not isinstance(counts, list) or not all(isinstance(count, int) and count >= 0 for count in counts):
        return "has neither run lengths nor a string of them under counts"
    if sum(counts) != size[0] * size[1]:
        return f"has run lengths of {sum(counts)} pixels, but its image has {size[0] * size[1]}"
    return None
