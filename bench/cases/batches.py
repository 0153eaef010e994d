"""Shapes of training batches: the sizes of a data set's images after the task's augmentation. No image is read.

The augmentation follows the authors' released configurations (mmdetection, mmsegmentation). The padded size and the
number of objects vary from batch to batch, while ADE20K's crops are always of one size. A real crop may lose objects;
here all of them stay.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from bench.cases.source_images import SOURCE_IMAGES, Size
from bench.cases.tasks import WORKLOADS

DIVISOR = 32
"""The sides of images are padded to multiples of this."""
COCO_SHORT_SIDES = range(480, 801, 32)
COCO_SHORT_SIDES_BEFORE_CROP = (400, 500, 600)
COCO_CROP = (384, 600)


@dataclass(frozen=True)
class BatchShape:
    """The properties of a batch that decide how much memory it takes."""

    image_size: Size
    """Height and width to which all its images are padded."""
    gt_boxes: int
    """Largest number of objects in an image, to which all its images are padded."""

    @property
    def load(self) -> tuple[int, int]:
        """Pixels, then objects: the key by which batches are ordered."""
        return self.image_size[0] * self.image_size[1], self.gt_boxes


@dataclass(frozen=True)
class Limits:
    """Scales from the image sizes of the configurations to that of a case."""

    short_scale: float
    """Short side of the case's image divided by that of the task's own."""
    long_scale: float
    """Long side of the case's image divided by that of the task's own."""

    @classmethod
    def of(cls, task: str, image_size: Size) -> "Limits":
        """Limits under which no single image is padded to more than `image_size`, in landscape or portrait."""
        own = WORKLOADS[task].image_size
        return cls(min(image_size) / min(own), max(image_size) / max(own))

    def resize(self, size: Size, short: int, long: int) -> Size:
        """Resize to the largest size within the limits for the short and long side (`mmcv.imrescale`)."""
        scale = min(long * self.long_scale / max(size), short * self.short_scale / min(size))
        return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))

    def crop(self, size: Size, least: int, most: int, random: Random) -> Size:
        """Crop each side to a random length between the limits, at most its own (`RandomCrop`, `absolute_range`)."""
        low, high = round(least * self.short_scale), round(most * self.short_scale)
        height, width = (random.randint(min(side, low), min(side, high)) for side in size)
        return height, width


def _voc(size: Size, limits: Limits, random: Random) -> Size:
    return limits.resize(size, 600, 1000)


def _coco(size: Size, limits: Limits, random: Random) -> Size:
    """Apply one of two policies: resize; or resize, crop and resize again, which can turn landscape into portrait."""
    if random.random() < 0.5:
        size = limits.resize(size, random.choice(COCO_SHORT_SIDES_BEFORE_CROP), 1333)
        size = limits.crop(size, *COCO_CROP, random)
    return limits.resize(size, random.choice(COCO_SHORT_SIDES), 1333)


AUGMENTATIONS: dict[str, Callable[[Size, Limits, Random], Size]] = {"voc": _voc, "coco": _coco}
"""Task -> function that draws the size of an image after augmentation. A task without one crops to a constant size."""


def pad(size: Size) -> Size:
    """Round both sides up to the next multiple of 32."""
    return -(-size[0] // DIVISOR) * DIVISOR, -(-size[1] // DIVISOR) * DIVISOR


def draw_batch(task: str, image_size: Size, batch_size: int, random: Random) -> BatchShape:
    """Draw one batch, whose images are all padded to the height of the highest and the width of the widest."""
    source, limits = SOURCE_IMAGES[task], Limits.of(task, image_size)
    objects = max(source.draw_objects(random) for _ in range(batch_size))
    if task not in AUGMENTATIONS:
        return BatchShape(image_size, objects)
    augment = AUGMENTATIONS[task]
    padded = [pad(augment(size, limits, random)) for size in source.draw_sizes(random, batch_size)]
    return BatchShape((max(height for height, _ in padded), max(width for _, width in padded)), objects)


@functools.lru_cache(maxsize=4)
def draw_epoch(task: str, image_size: Size, batch_size: int, seed: int, least: int = 1) -> tuple[BatchShape, ...]:
    """Draw the batches of one epoch on one GPU, but no fewer than `least`."""
    random = Random(seed)
    count = max(least, SOURCE_IMAGES[task].images // batch_size)
    return tuple(draw_batch(task, image_size, batch_size, random) for _ in range(count))


STRETCHES = ("worst", "first")


def first_stretch(task: str, image_size: Size, batch_size: int, count: int, seed: int) -> tuple[BatchShape, ...]:
    """The first `count` batches of an epoch, which nvidia-smi shows soon after the start of training."""
    return draw_epoch(task, image_size, batch_size, seed, least=count)[:count]


def worst_stretch(task: str, image_size: Size, batch_size: int, count: int, seed: int) -> tuple[BatchShape, ...]:
    """The `count` consecutive batches of an epoch that end with its largest batch.

    A card must hold the largest batch of a training run after ordinary batches have fragmented its memory. Drawing
    only `count` batches would miss the largest one, and simulating a whole epoch would take hours.
    """
    epoch = draw_epoch(task, image_size, batch_size, seed, least=count)
    worst = max(range(len(epoch)), key=lambda number: epoch[number].load)
    end = max(worst + 1, count)
    return epoch[end - count : end]
