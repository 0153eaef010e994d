"""Masks of COCO's annotations: polygons, and run lengths as they are or compressed."""

from typing import Any

import torch
from faster_coco_eval.core import mask as mask_api
from torch import Tensor

from bench.training.data.image_files import ImageSize

LEAST_COORDINATES = 6
"""A polygon of fewer than three corners covers nothing."""


def rasterise(segmentation: Any, size: ImageSize) -> Tensor:
    """Draw a segmentation as uint8 (H, W), 1 inside the object, by the rules of COCO's mask API."""
    height, width = size
    if isinstance(segmentation, list):
        segmentation = [polygon for polygon in segmentation if len(polygon) >= LEAST_COORDINATES]
        if not segmentation:
            return torch.zeros(height, width, dtype=torch.uint8)
    return torch.from_numpy(mask_api.decode(mask_api.segmToRle(segmentation, width, height)).copy(order="C"))


def segmentation_fault(segmentation: Any, size: ImageSize) -> str | None:
    """What is wrong with a segmentation, as the end of a sentence that it begins; None if it can be drawn."""
    if isinstance(segmentation, dict):
        if not isinstance(segmentation.get("counts"), list | str):
            return "has neither run lengths nor a string of them under counts"
        if segmentation.get("size") != list(size):
            return f"is of size {segmentation.get('size')}, but its image is {list(size)}"
        return None
    if not isinstance(segmentation, list) or not all(isinstance(polygon, list) for polygon in segmentation):
        return "must be a list of polygons, or run lengths"
    if any(len(polygon) % 2 for polygon in segmentation):
        return "has a polygon with an odd number of coordinates"
    return None
