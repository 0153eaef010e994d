"""Boxes of annotations fitted into their images, with a count of those that did not fit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.training.data.image_files import ImageSize

Corners = tuple[float, float, float, float]
"""x1 y1 x2 y2 in pixels; the box covers x1 <= x < x2 and y1 <= y < y2."""
ROUNDING = 1.0
"""Pixels by which a box may reach over the edge without being counted: COCO's are rounded."""


@dataclass
class BoxFitter:
    """Clips boxes to their images and counts what it changed."""

    clipped: int = 0
    """Boxes that reached over the edge of their image by more than a pixel."""
    dropped: int = 0
    """Boxes of which nothing is left: outside the image, empty, or not finite."""

    def fit(self, corners: Sequence[float], size: ImageSize) -> Corners | None:
        """Return the part of a box that is inside the image, or None where nothing of it is."""
        x1, y1, x2, y2 = corners
        height, width = size
        if not all(map(math.isfinite, corners)):
            self.dropped += 1
            return None
        inside = max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2)
        if inside[0] >= inside[2] or inside[1] >= inside[3]:
            self.dropped += 1
            return None
        self.clipped += any(abs(new - old) > ROUNDING for new, old in zip(inside, corners, strict=True))
        return inside

    def remarks(self) -> list[str]:
        """What was changed, as sentences."""
        said = []
        if self.clipped:
            said.append(f"{_boxes(self.clipped, 'reaches', 'reach')} over the edge of the image and was cut there.")
        if self.dropped:
            said.append(f"{_boxes(self.dropped, 'is', 'are')} empty or outside the image and was left out.")
        return [sentence.replace("and was", "and were") if "boxes" in sentence else sentence for sentence in said]


def _boxes(count: int, one: str, many: str) -> str:
    return f"1 box {one}" if count == 1 else f"{count} boxes {many}"
