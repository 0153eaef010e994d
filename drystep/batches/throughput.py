"""Images per second of a training step, over the batch sizes that fit a card."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from drystep.errors import SimulationError

ENOUGH = 0.95
"""Share of the best throughput that a smaller batch must reach to be named."""


@dataclass(frozen=True)
class BatchSpeed:
    """Predicted speed at one batch size, on one card."""

    batch_size: int
    step_ms: float
    alloc_retries: int
    """How often PyTorch gives cached memory back in order to fit; the time of that is not predicted."""

    @property
    def images_per_second(self) -> float:
        """Images, or whatever the step counts, per second and card."""
        return 1e3 * self.batch_size / self.step_ms

    def to_fields(self) -> dict[str, Any]:
        """Make what JSON has of it."""
        return {**asdict(self), "images_per_second": self.images_per_second}


@dataclass(frozen=True)
class Throughput:
    """Predicted speeds of one card."""

    speeds: tuple[BatchSpeed, ...]
    """In the order of batch sizes; empty where no speed could be predicted."""
    unknown: str = ""
    """Why there is none, in a sentence."""

    @property
    def best(self) -> BatchSpeed | None:
        """The speed with the most images per second; of equal ones that of the smallest batch."""
        return max(self.speeds, key=lambda speed: speed.images_per_second, default=None)

    @property
    def enough(self) -> BatchSpeed | None:
        """The speed of the smallest batch that reaches 95 % of the best. A smaller batch takes less memory."""
        best = self.best
        if best is None:
            return None
        return next(s for s in self.speeds if s.images_per_second >= ENOUGH * best.images_per_second)

    def to_fields(self) -> dict[str, Any]:
        """Make what JSON has of it."""
        best, enough = self.best, self.enough
        return {
            "batches": [speed.to_fields() for speed in self.speeds],
            "best": best.to_fields() if best else None,
            "enough": enough.to_fields() if enough else None,
            "unknown": self.unknown,
        }


def throughput(speed_of: Callable[[int], BatchSpeed | None], smallest: int, largest: int) -> Throughput:
    """Predict speeds from `smallest` to `largest`, the largest batch size that fits, or 0.

    `speed_of` predicts that of a batch size, or returns None for one that does not fit. Where it raises `ValueError`,
    the message says why there are no speeds; a `SimulationError` is raised on.
    """
    if largest < smallest:
        smaller = f"the largest batch that fits is {largest}" if largest else "not even a batch of 1 fits"
        return Throughput((), f"a batch of {smallest} does not fit: {smaller}")
    try:
        found = [speed_of(size) for size in batch_sizes(smallest, largest)]
    except SimulationError:
        raise
    except ValueError as error:
        return Throughput((), str(error))
    return Throughput(tuple(speed for speed in found if speed is not None))


def batch_sizes(smallest: int, largest: int) -> Sequence[int]:
    """Both ends, and the powers of two between them."""
    powers = (1 << exponent for exponent in range(smallest.bit_length(), largest.bit_length()))
    return sorted({smallest, *powers, largest})
