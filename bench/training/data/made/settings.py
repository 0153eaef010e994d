"""What determines a made-up set. Does not import NumPy, because command lines name the defaults."""

from dataclasses import dataclass

from bench.training.data.made.classes import TASKS
from bench.training.data.made.styles import PLAIN, STYLES
from drystep.errors import choose

SIDES = (64, 1024)
"""Least and greatest side of an image, in pixels."""
MOST_IMAGES = 100_000
LEAST_TRAIN = 4
"""Training images that give each year of VOC one for train and one for val."""
MOST_SEED = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class MadeSettings:
    """What determines every byte of a made-up set. Raises `ValueError` for a value that cannot be used."""

    task: str
    """Whose format the set has, one of `classes.TASKS`."""
    train: int = 320
    """Number of training images."""
    val: int = 80
    """Number of validation images."""
    image_size: tuple[int, int] = (96, 128)
    """Height and width in pixels of most images; every third one has them exchanged."""
    seed: int = 0
    """Beginning of the random numbers. Each image has a sequence of its own, whatever the number of images."""
    style: str = PLAIN
    """Name of the style of the training images; that of the validation images is derived from it."""

    def __post_init__(self) -> None:
        choose("task", self.task, TASKS)
        _require_between("the number of training images", self.train, LEAST_TRAIN, MOST_IMAGES)
        _require_between("the number of validation images", self.val, 1, MOST_IMAGES)
        for side in self.image_size:
            _require_between("a side of the images in pixels", side, *SIDES)
        _require_between("the seed", self.seed, 0, MOST_SEED)
        choose("style", self.style, STYLES)


def _require_between(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{what} must be between {least} and {most}, got {value}")
