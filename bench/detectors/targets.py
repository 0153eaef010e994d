"""Training targets of a detector, in shapes that do not depend on the number of objects."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

NO_OBJECT = -1
"""Label of the rows that pad an image with fewer than `G` objects."""
USES_OF_A_SEED = 4
"""Draws for an image in a training step, each of which has a generator of its own: the RPN's and three stages'."""
ImageSize = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class DetectionTargets:
    """Ground truth of a batch of B images, padded to G objects each."""

    boxes: Tensor
    """(B, G, 4) float, corners x1 y1 x2 y2 in pixels."""
    labels: Tensor
    """(B, G) int64 class indices, `NO_OBJECT` in padding rows."""
    masks: Tensor | None = None
    """(B, G, H, W) uint8, 1 inside the object; None where the task has no masks."""
    valid_sizes: tuple[ImageSize, ...] | None = None
    """Size of each image inside the padded batch; None where every image fills it."""
    ignored: Tensor | None = None
    """(B, I, 4) float, regions in which background is not learned (crowds, difficult objects), padded with empty boxes;
    None where no image has one."""
    seeds: tuple[int, ...] | None = None
    """A seed for each image, from which its samples are drawn, so that they do not depend on the other images of the
    batch; None to draw from the global generator."""

    def sizes(self, batch_size: ImageSize) -> list[ImageSize]:
        """Size of each image inside a batch that is padded to `batch_size`."""
        return [batch_size] * len(self.boxes) if self.valid_sizes is None else list(self.valid_sizes)

    def generator(self, image: int, use: int) -> torch.Generator | None:
        """Return a generator for one use of an image's seed, or None for the global one. Uses count from 0.

        None without seeds, and on the meta device, where no value is drawn.
        """
        if self.seeds is None or self.boxes.device.type == "meta":
            return None
        return torch.Generator(self.boxes.device).manual_seed((self.seeds[image] * USES_OF_A_SEED + use) % 2**63)

    def with_rows(self) -> "DetectionTargets":
        """Return these targets, with one row of padding per image if they have no row at all (G = 0).

        Slots without an object read row 0 and drop what they compute from it, so the row must exist.
        """
        if self.labels.shape[1]:
            return self
        boxes, labels = F.pad(self.boxes, (0, 0, 0, 1)), F.pad(self.labels, (0, 1), value=NO_OBJECT)
        masks = None if self.masks is None else F.pad(self.masks, (0, 0, 0, 0, 0, 1))
        return replace(self, boxes=boxes, labels=labels, masks=masks)  # (B, 1, 4), (B, 1), (B, 1, H, W)

    def placed(self, place: Callable[[Tensor], Tensor]) -> "DetectionTargets":
        """Return these targets with every tensor as `place` returns it, such as a copy on another device."""
        masks = None if self.masks is None else place(self.masks)
        ignored = None if self.ignored is None else place(self.ignored)
        return replace(self, boxes=place(self.boxes), labels=place(self.labels), masks=masks, ignored=ignored)
