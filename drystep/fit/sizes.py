"""Sizes at which a step can be built, and the rows of sizes among which the largest is searched."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from drystep.batches.growth import Size
from drystep.batches.largest import LARGEST_BATCH
from drystep.bounds import require_whole

DEFAULT_BATCH = 2
MOST_BATCH_SIZE = 2**24
"""Images, or whatever a step counts: rows of a table may be millions."""
MOST_IMAGE_SIDE = 16384
"""Pixels of a side that can be asked for."""
LARGEST_IMAGE_SIDE = 4096
"""Pixels of a side at which the search for the largest image ends."""
DEFAULT_MULTIPLE = 32
"""Pixels of which the sides of searched images are multiples, unless a step has its own `image_multiple`. Most networks
halve their maps five times."""
Image = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class StepSize:
    """What a step is built for."""

    batch_size: int | None = None
    """None for a step that takes none."""
    image_size: Image | None = None
    """None for a step that takes none, and for its own default where that is no pair."""

    @property
    def keywords(self) -> dict[str, Any]:
        """Keywords of `build_step`."""
        stated = {"batch_size": self.batch_size, "image_size": self.image_size}
        return {name: value for name, value in stated.items() if value is not None}

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.keywords.items())


def size_asked(build_step: Callable[..., Any], batch_size: int | None, image_size: Image | None) -> StepSize:
    """The size that is asked for, or the default of the function. Raises `ValueError` for impossible sizes.

    A batch size of a function whose default is no number is 2.
    """
    parameters = inspect.signature(build_step).parameters
    for option, value in {"batch_size": batch_size, "image_size": image_size}.items():
        if value is not None and option not in parameters:
            raise ValueError(
                f"{build_step.__name__} takes no {option}: leave --{option.replace('_', '-')} out, "
                "or give the function that keyword"
            )
    if batch_size is None and "batch_size" in parameters:
        default = parameters["batch_size"].default
        batch_size = default if isinstance(default, int) else DEFAULT_BATCH
    if image_size is None and "image_size" in parameters:
        default = parameters["image_size"].default
        image_size = default if _is_pair(default) else None
    if batch_size is not None:
        require_whole("batch size", batch_size, 1, MOST_BATCH_SIZE)
    if image_size is not None:
        if not isinstance(image_size, tuple | list) or len(image_size) != 2:
            raise ValueError(f"image size must be a pair (height, width), got {image_size!r}")
        for name, side in zip(("image height", "image width"), image_size, strict=True):
            require_whole(name, side, 1, MOST_IMAGE_SIDE)
        image_size = (image_size[0], image_size[1])
    return StepSize(batch_size, image_size)


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(type(side) is int for side in value)


@dataclass(frozen=True)
class BatchRow:
    """Batch sizes, each by its own number."""

    asked: StepSize
    limit = LARGEST_BATCH

    @property
    def start(self) -> int:
        """Number of the size that is asked for."""
        return min(self.asked.batch_size or 1, self.limit)

    def step_size(self, number: int) -> StepSize:
        """The size with a number, from 1 to `limit`."""
        return replace(self.asked, batch_size=number)

    def size(self, number: int) -> Size:
        """The same as what polynomials are over."""
        return (number,)

    def load(self, number: int) -> float:
        """What memory grows with."""
        return float(number)


@dataclass(frozen=True)
class ImageRow:
    """Images of one aspect ratio whose sides are multiples of some pixels; the number is that of the height."""

    asked: StepSize
    multiple: int = DEFAULT_MULTIPLE
    """Pixels."""

    @property
    def limit(self) -> int:
        """Number of the largest image that is searched."""
        height, width = self._asked
        return max(1, int(LARGEST_IMAGE_SIDE // self.multiple * min(Fraction(1), Fraction(height, width))))

    @property
    def start(self) -> int:
        """Number of the size nearest to the one that is asked for."""
        return min(max(1, round(Fraction(self._asked[0], self.multiple))), self.limit)

    def image(self, number: int) -> Image:
        """Height and width; (0, 0) for number 0."""
        height, width = self._asked
        return (number * self.multiple, self.multiple * max(min(number, 1), round(Fraction(number * width, height))))

    def step_size(self, number: int) -> StepSize:
        """The size with a number, from 1 to `limit`."""
        return replace(self.asked, image_size=self.image(number))

    def size(self, number: int) -> Size:
        """The same as what polynomials are over."""
        return self.image(number)

    def load(self, number: int) -> float:
        """What memory grows with: pixels."""
        height, width = self.image(number)
        return float(height * width)

    @property
    def _asked(self) -> Image:
        assert self.asked.image_size is not None
        return self.asked.image_size
