"""Order of the images in training: which of them a batch holds, at any step."""

from collections.abc import Sequence

import numpy as np

from bench.training.data.image_files import ImageSize

ORDER = 0
"""Marks the numbers that order an epoch, against those of its images, which count from 1."""


class EpochOrder:
    """The batches of every epoch, in an order that depends on the seed and the epoch alone.

    Images are shuffled and grouped into batches; with `group_by_aspect`, those that are wider than high apart from the
    others (mmdetection's `GroupSampler`). Each group's last batch is filled from the group's front, so that all
    batches are full and every image occurs at least once.
    """

    def __init__(self, sizes: Sequence[ImageSize], batch_size: int, seed: int, *, group_by_aspect: bool) -> None:
        wide = np.array([width > height and group_by_aspect for height, width in sizes])
        self.groups = [group for group in (np.flatnonzero(wide), np.flatnonzero(~wide)) if len(group)]
        self.batch_size = batch_size
        self.seed = seed
        self._drawn: tuple[int, np.ndarray] | None = None

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return sum(-(-len(group) // self.batch_size) for group in self.groups)

    def batch(self, step: int) -> tuple[int, Sequence[int]]:
        """Return the epoch of a step, counted from the start of training, and the images of its batch."""
        epoch, number = divmod(step, self.steps)
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = epoch, self._draw(epoch)
        return epoch, self._drawn[1][number].tolist()

    def _draw(self, epoch: int) -> np.ndarray:
        """Draw the batches of one epoch (steps, batch size)."""
        random = np.random.default_rng((self.seed, epoch, ORDER))
        batches = []
        for group in self.groups:
            count = -(-len(group) // self.batch_size)
            order = np.resize(random.permutation(group), count * self.batch_size)  # repeats from the front
            batches.append(order.reshape(count, self.batch_size))
        return random.permutation(np.concatenate(batches))


def image_seeds(seed: int, epoch: int, index: int) -> tuple[int, int]:
    """Return two seeds of one image in one epoch: for its augmentation, and for what the model draws for it."""
    first, second = np.random.SeedSequence((seed, epoch, index + 1)).generate_state(2, np.uint64) >> np.uint64(1)
    return int(first), int(second)
