"""What a detector found, as COCO's results format, and the check that such results fit their ground truth."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from faster_coco_eval.core import mask as mask_api
from torch import Tensor

Detection = Mapping[str, Any]
"""One entry of COCO's results format: `image_id`, `category_id`, `bbox` (x, y, width, height), `score`, and for masks
`segmentation`, run lengths of the mask."""
GroundTruth = Mapping[str, Any]
"""A COCO annotations file: `images`, `annotations`, `categories`."""


class DetectedObjects(Protocol):
    """What one image's detections have, such as those that `predict` of a detector returns."""

    @property
    def boxes(self) -> Tensor:
        """(n, 4) float, corners x1 y1 x2 y2 in pixels of the original image."""

    @property
    def scores(self) -> Tensor:
        """(n,) float."""

    @property
    def labels(self) -> Tensor:
        """(n,) int64, class indices."""

    @property
    def masks(self) -> Tensor | None:
        """(n, H, W) bool at the size of the original image; None where the task has no masks."""


def detections_json(
    detections: DetectedObjects, image_id: int | str, category_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """Return one image's detections as COCO's results format, ready for a JSON file.

    Source: the format of results on cocodataset.org. Masks are run lengths that pycocotools reads, too.

    Args:
        detections: What was found in the image.
        image_id: The image's id in the ground truth.
        category_ids: The id in the ground truth of each class index.

    Raises:
        ValueError: A label is not an index of `category_ids`.
    """
    boxes = detections.boxes.double().cpu()  # (n, 4)
    found = []
    for number, (box, score, label) in enumerate(
        zip(boxes.tolist(), detections.scores.tolist(), detections.labels.tolist(), strict=True)
    ):
        if not 0 <= label < len(category_ids):
            raise ValueError(f"labels of detections must be between 0 and {len(category_ids) - 1}, got {label}")
        left, top, right, bottom = box
        entry = {
            "image_id": image_id,
            "category_id": int(category_ids[label]),
            "bbox": [left, top, right - left, bottom - top],
            "score": score,
        }
        if detections.masks is not None:
            entry["segmentation"] = run_lengths(detections.masks[number])
        found.append(entry)
    return found


def run_lengths(mask: Tensor) -> dict[str, Any]:
    """Return the compressed run lengths of one mask: (H, W), true inside the object."""
    # The mask API counts runs down the columns, so it wants each column in one piece.
    encoded = mask_api.encode(np.asfortranarray(mask.cpu().numpy(), dtype=np.uint8))
    counts = encoded["counts"]
    return {
        "size": [int(side) for side in encoded["size"]],
        "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts,
    }


def require_fitting(ground_truth: GroundTruth, detections: Sequence[Detection]) -> None:
    """Raise `ValueError` unless every detection is of an image and a category of the ground truth, and finite."""
    images = {image["id"] for image in ground_truth["images"]}
    categories = {category["id"] for category in ground_truth["categories"]}
    for number, detection in enumerate(detections, start=1):
        if detection["image_id"] not in images:
            raise ValueError(
                f"detection {number} is of image {detection['image_id']!r}, which the ground truth does not have"
            )
        if detection["category_id"] not in categories:
            raise ValueError(
                f"detection {number} is of category {detection['category_id']!r}, which the ground truth does not have"
            )
        box = detection["bbox"]
        if len(box) != 4 or not all(map(math.isfinite, (*box, detection["score"]))):
            raise ValueError(
                f"detection {number} of image {detection['image_id']!r} must have four finite numbers as its box and a "
                f"finite score, got {list(box)} and {detection['score']}"
            )
