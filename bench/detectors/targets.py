"""Training targets of a detector, in shapes that do not depend on the number of objects."""

from dataclasses import dataclass

from torch import Tensor

NO_OBJECT = -1
"""Label of the rows that pad an image with fewer than `G` objects."""


@dataclass(frozen=True)
class DetectionTargets:
    """Ground truth of a batch of B images, padded to G objects each."""

    boxes: Tensor
    """(B, G, 4) float, corners x1 y1 x2 y2 in pixels."""
    labels: Tensor
    """(B, G) int64 class indices, `NO_OBJECT` in padding rows."""
    masks: Tensor | None = None
    """(B, G, H, W) uint8, 1 inside the object; None where the task has no masks."""
