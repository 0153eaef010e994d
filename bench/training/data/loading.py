"""Batches of training and images of evaluation, prepared by worker processes."""

import signal
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bench.cases.training_step import Batch
from bench.training.data.augmentation import training_transforms
from bench.training.data.collation import collate, image_size, padded_images
from bench.training.data.data_set import DataSet
from bench.training.data.epochs import EpochOrder, image_seeds
from bench.training.data.image_files import ImageSize
from bench.training.data.image_settings import ImageSettings
from bench.training.data.problems import DataError
from bench.training.data.transforms import ResizeWithin
from drystep.errors import OutputError


class TrainingBatches:
    """Augmented batches of a data set, endless and the same whatever the number of workers and the first step.

    With several ranks, the batch of one rank is its part of the batch of `ranks * images_per_gpu` images that a single
    rank would have; each image is augmented alike in both.

    Arguments: `data` and `settings` of the task; `images_per_gpu`, the images in a batch of one rank; `seed`, from
    which the order and the augmentation follow; `workers`, the processes that prepare batches (0: this one does, when
    a batch is asked for); `rank`, this process's number among `ranks`.
    """

    def __init__(
        self,
        data: DataSet,
        settings: ImageSettings,
        *,
        images_per_gpu: int,
        seed: int,
        workers: int = 2,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if images_per_gpu < 1:
            raise ValueError(f"images_per_gpu must be at least 1, got {images_per_gpu}")
        if workers < 0:
            raise ValueError(f"workers must be at least 0, got {workers}")
        if not 0 <= rank < ranks:
            raise ValueError(f"rank must be between 0 and {ranks - 1}, got {rank}")
        sizes = [entry.size for entry in data.entries]
        self.order = EpochOrder(sizes, images_per_gpu * ranks, seed, group_by_aspect=settings.group_by_aspect)
        part = slice(rank * images_per_gpu, (rank + 1) * images_per_gpu)
        self.batches = _Batches(data, settings, self.order, part)
        self.workers = workers

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every image occurs."""
        return self.order.steps

    def starting_at(self, step: int) -> Generator[Batch, None, None]:
        """Yield the batch of global step `step`, counted from 0, and those after it. Raises `DataError` for bad files.

        Worker processes live until the generator is closed.
        """
        yield from _load(self.batches, count(step), self.workers)


@dataclass(frozen=True)
class EvaluationImage:
    """One image as the model sees it in evaluation."""

    index: int
    """Its number in the data set's entries."""
    image: Tensor
    """(1, 3, H, W) float32, normalised and padded with 0 at the right and the bottom."""
    size: ImageSize
    """Height and width of the image inside the padded one."""
    original_size: ImageSize
    """Height and width of the image file."""
    label_map: Tensor | None
    """(H, W) uint8 at the original size, where the task has label maps."""


class EvaluationImages:
    """All images of a data set in order, resized whole to the size of the test."""

    def __init__(self, data: DataSet, settings: ImageSettings, workers: int = 2) -> None:
        self.images = _Images(data, settings)
        self.workers = workers

    def __len__(self) -> int:
        return len(self.images.data)

    def __iter__(self) -> Iterator[EvaluationImage]:
        return _load(self.images, range(len(self)), self.workers)


class _Batches(Dataset[Batch]):
    """The batch of each step."""

    def __init__(self, data: DataSet, settings: ImageSettings, order: EpochOrder, part: slice) -> None:
        self.data, self.settings, self.order, self.part = data, settings, order, part
        self.transforms = training_transforms(settings)

    def __getitem__(self, step: int) -> Batch:
        epoch, indices = self.order.batch(step)
        samples, model_seeds = [], []
        for index in indices[self.part]:
            augmentation_seed, model_seed = image_seeds(self.order.seed, epoch, index)
            sample = self.data.read(index)
            with _seeded(augmentation_seed):
                samples.append(self.transforms(sample))
            model_seeds.append(model_seed)
        return collate(samples, self.settings, model_seeds)


class _Images(Dataset[EvaluationImage]):
    """The images of an evaluation."""

    def __init__(self, data: DataSet, settings: ImageSettings) -> None:
        self.data, self.settings = data, settings
        self.resize = ResizeWithin(settings.test)

    def __getitem__(self, index: int) -> EvaluationImage:
        label_map = None
        if self.settings.label_crop is None:
            image = self.data.image(index)
        else:
            sample = self.data.read(index)
            image, label_map = sample["image"], sample["label_map"].as_subclass(Tensor)
        with _seeded(0):  # nothing is drawn, but the transform asks the generator
            resized = self.resize(image)
        original_size = self.data.entries[index].size
        padded = padded_images([resized], self.settings)
        return EvaluationImage(index, padded, image_size(resized), original_size, label_map)


class _Reporting(Dataset[Any]):
    """Items of a data set, or the `DataError` that one of them raises.

    A `DataLoader` would raise it anew with the worker's traceback as its message.
    """

    def __init__(self, data: Dataset[Any]) -> None:
        self.data = data

    def __getitem__(self, number: int) -> Any:
        try:
            return self.data[number]
        except DataError as error:
            return error


def _load(data: Dataset[Any], numbers: Iterable[int], workers: int) -> Iterator[Any]:
    """Yield the items of these numbers in order. Leaves the global generator as it is."""
    loader = DataLoader(
        _Reporting(data),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_begin_worker,
        generator=torch.Generator(),
    )
    try:
        for item in loader:
            if isinstance(item, DataError):
                raise item
            yield item
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise OutputError(f"a process that loads images has ended, perhaps for want of memory: {error}") from error


def _as_it_is(item: Any) -> Any:
    return item


def _begin_worker(worker: int) -> None:
    """Use one thread, and leave it to the parent what happens when a user interrupts."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the CPU's generator inside, and restore it after; generators of GPUs are not touched."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
