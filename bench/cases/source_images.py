"""Images before augmentation: how large the images of each data set are, and how many objects they show.

No data set is read. The shares of sizes are rounded, and chosen to match what is published about each data set as a
whole:

- Pascal VOC: images from Flickr with a long side of 500, nearly all of ratio 4:3 or 3:2. 2.4 objects that are not
  marked difficult per image of VOC 07 and 12 (Liu et al., "Deep learning for generic object detection", IJCV 2020,
  table 3); at most about 40.
- COCO: long side 640, a median of 480 x 640 and a mean of 479 x 580 (29,289 images of train and val 2017), 90 % between
  167,500 and 355,840 pixels (train 2014). 860,001 objects in 118,287 images, 99 % of images with at most 33, none with
  more than 93.
- ADE20K: training crops images of any size to 512 x 512, and segmentation has no objects.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True, kw_only=True)
class SourceImages:
    """The images of one data set."""

    images: int
    """Number of images in one epoch of training."""
    shares: tuple[tuple[Size, float], ...]
    """Sizes with their shares of the data set, which sum to 1."""
    mean_objects: float
    """Mean number of objects in an image that has any; 0 if the task has none."""
    most_objects: int

    def draw_sizes(self, random: Random, count: int) -> Sequence[Size]:
        """Draw the sizes of a batch's images: all are wider than high, or none is (mmdetection's `GroupSampler`)."""
        ((first, _),) = random.choices(self.shares, [share for _, share in self.shares])
        group = [(size, share) for size, share in self.shares if _is_wide(size) == _is_wide(first)]
        return random.choices([size for size, _ in group], [share for _, share in group], k=count)

    def draw_objects(self, random: Random) -> int:
        """Draw the number of objects in one image from a geometric distribution; 0 if the task has none.

        The mean alone determines this distribution, in which an image has at least one object. For COCO it puts the
        99th percentile at 32 objects, where the data set has 33.
        """
        if not self.mean_objects:
            return 0
        draw = math.log(1 - random.random()) / math.log(1 - 1 / self.mean_objects)
        return min(1 + int(draw), self.most_objects)


def _is_wide(size: Size) -> bool:
    return size[1] > size[0]


SOURCE_IMAGES = {
    "voc": SourceImages(
        images=5_011 + 11_540,
        shares=(
            ((375, 500), 0.57), ((333, 500), 0.14), ((281, 500), 0.02),
            ((500, 375), 0.17), ((500, 333), 0.07), ((500, 500), 0.03),
        ),
        mean_objects=2.4,
        most_objects=40,
    ),
    "coco": SourceImages(
        images=118_287,
        shares=(
            ((480, 640), 0.30), ((427, 640), 0.31), ((360, 640), 0.05), ((375, 500), 0.06), ((333, 500), 0.03),
            ((640, 480), 0.12), ((640, 427), 0.08), ((500, 375), 0.02), ((640, 640), 0.03),
        ),
        mean_objects=860_001 / 118_287,
        most_objects=93,
    ),
    "ade20k": SourceImages(images=20_210, shares=(((512, 683), 1.0),), mean_objects=0, most_objects=0),
}  # fmt: skip
"""Task -> its data set's images."""
