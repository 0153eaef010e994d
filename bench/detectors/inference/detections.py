"""What a detector finds in one image."""

from dataclasses import dataclass, replace

from torch import Tensor
from torchvision.ops import batched_nms

from bench.detectors.targets import ImageSize

SCORE_THRESHOLD = 0.05
NMS_IOU = 0.5
MOST_DETECTIONS = 100
"""Test settings of mmdetection's RetinaNet and Cascade Mask R-CNN, which are those of COCO's evaluation."""


@dataclass(frozen=True)
class Detections:
    """The n detections of one image, by falling score."""

    boxes: Tensor
    """(n, 4) float32, corners x1 y1 x2 y2 in pixels."""
    scores: Tensor
    """(n,) float32"""
    labels: Tensor
    """(n,) int64"""
    masks: Tensor | None = None
    """(n, H, W) bool, pasted into the whole image; None where the detector predicts no masks."""

    def scaled(self, size: ImageSize, original_size: ImageSize) -> "Detections":
        """Return the detections with boxes scaled from an image of `size` to one of `original_size`, without masks."""
        (height, width), (original_height, original_width) = size, original_size
        x, y = original_width / width, original_height / height
        return replace(self, boxes=self.boxes * self.boxes.new_tensor((x, y, x, y)), masks=None)


def best_of_each_class(boxes: Tensor, scores: Tensor, labels: Tensor) -> Detections:
    """Suppress boxes that overlap a better one of their class by more than `NMS_IOU`, and keep the best of all classes.

    boxes (n, 4), scores (n,), labels (n,) int64.
    """
    kept = batched_nms(boxes, scores, labels, NMS_IOU)[:MOST_DETECTIONS]
    return Detections(boxes[kept], scores[kept], labels[kept])
