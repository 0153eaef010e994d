"""Batches as training sees them: sizes that the tasks' augmentation makes of their data sets' images, without a pixel.

After the authors' released configurations (mmdetection, mmsegmentation). What varies from batch to batch is the padded
size and the number of objects; ADE20K's crops are always of one size. A crop may lose objects: here all stay.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from bench.cases.source_images import SOURCE_IMAGES, Size
from bench.cases.tasks import WORKLOADS

DIVISOR = 32
"""Sides of images are padded to multiples of it."""
COCO_SHORT_SIDES = range(480, 801, 32)
COCO_SHORT_SIDES_BEFORE_CROP = (400, 500, 600)
COCO_CROP = (384, 600)


@dataclass(frozen=True)
class BatchShape:
    """What decides the memory of a batch."""

    image_size: Size
    """Height and width to which all its images are padded."""
    gt_boxes: int
    """Most objects in one of its images, to which all images are padded."""

    @property
    def load(self) -> tuple[int, int]:
        """Pixels, then objects: the order in which batches grow."""
        return self.image_size[0] * self.image_size[1], self.gt_boxes


@dataclass(frozen=True)
class Limits:
    """The configurations' pixels, in proportion to the image size of a case."""

    short_scale: float
    """Short side of the case's image in those of the task's own."""
    long_scale: float
    """Long side likewise."""

    @classmethod
    def of(cls, task: str, image_size: Size) -> "Limits":
        """Limits under which no single image is padded to more than `image_size`, be it upright or not."""
        own = WORKLOADS[task].image_size
        return cls(min(image_size) / min(own), max(image_size) / max(own))

    def resize(self, size: Size, short: int, long: int) -> Size:
        """As large as short and long side may be, keeping the ratio (`mmcv.imrescale`)."""
        scale = min(long * self.long_scale / max(size), short * self.short_scale / min(size))
        return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))

    def crop(self, size: Size, least: int, most: int, random: Random) -> Size:
        """Each side anywhere between the limits, or as long as it is (`RandomCrop` with `absolute_range`)."""
        low, high = round(least * self.short_scale), round(most * self.short_scale)
        height, width = (random.randint(min(side, low), min(side, high)) for side in size)
        return height, width


def _voc(size: Size, limits: Limits, random: Random) -> Size:
    return limits.resize(size, 600, 1000)


def _coco(size: Size, limits: Limits, random: Random) -> Size:
    """Of two policies one: resize; or resize, crop and resize again, which can turn a wide image upright."""
    if random.random() < 0.5:
        size = limits.resize(size, random.choice(COCO_SHORT_SIDES_BEFORE_CROP), 1333)
        size = limits.crop(size, *COCO_CROP, random)
    return limits.resize(size, random.choice(COCO_SHORT_SIDES), 1333)


AUGMENTATIONS: dict[str, Callable[[Size, Limits, Random], Size]] = {"voc": _voc, "coco": _coco}
"""Task -> size of an image after augmentation, before padding. A task that is not here crops to a constant size."""


def pad(size: Size) -> Size:
    """Both sides, up to the next multiple of 32."""
    return -(-size[0] // DIVISOR) * DIVISOR, -(-size[1] // DIVISOR) * DIVISOR


def draw_batch(task: str, image_size: Size, batch_size: int, random: Random) -> BatchShape:
    """One batch: all images are padded to the highest and the widest of them."""
    source, limits = SOURCE_IMAGES[task], Limits.of(task, image_size)
    objects = max(source.draw_objects(random) for _ in range(batch_size))
    if task not in AUGMENTATIONS:
        return BatchShape(image_size, objects)
    augment = AUGMENTATIONS[task]
    padded = [pad(augment(size, limits, random)) for size in source.draw_sizes(random, batch_size)]
    return BatchShape((max(height for height, _ in padded), max(width for _, width in padded)), objects)


@functools.lru_cache(maxsize=4)
def draw_epoch(task: str, image_size: Size, batch_size: int, seed: int, least: int = 1) -> tuple[BatchShape, ...]:
    """The batches of one epoch on one GPU, or `least` if that is more."""
    random = Random(seed)
    count = max(least, SOURCE_IMAGES[task].images // batch_size)
    return tuple(draw_batch(task, image_size, batch_size, random) for _ in range(count))


STRETCHES = ("worst", "first")


def first_stretch(task: str, image_size: Size, batch_size: int, count: int, seed: int) -> tuple[BatchShape, ...]:
    """The first `count` batches of an epoch: what a look at nvidia-smi soon after the start is about."""
    return draw_epoch(task, image_size, batch_size, seed, least=count)[:count]


def worst_stretch(task: str, image_size: Size, batch_size: int, count: int, seed: int) -> tuple[BatchShape, ...]:
    """Of an epoch's batches, the `count` in a row that end with the largest.

    A card must survive the largest batch of a training after ordinary ones have cut its memory to pieces. Drawing
    only `count` batches would miss the largest, and simulating a whole epoch would take hours.
    """
    epoch = draw_epoch(task, image_size, batch_size, seed, least=count)
    worst = max(range(len(epoch)), key=lambda number: epoch[number].load)
    end = max(worst + 1, count)
    return epoch[end - count : end]
