import os
import pickle
import signal
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.cases.training_step import Batch
from bench.training.data.image_settings import MADE_IMAGE_SETTINGS, ResizeSettings
from bench.training.data.loading import EvaluationImages, TrainingBatches
from bench.training.data.open_data import open_data
from bench.training.data.problems import DataError
from tests.bench.training.data.small_sets import Picture, Thing, write_ade20k, write_coco, write_voc

PICTURES = [
    Picture(f"{number:06}", (60, 80) if number % 3 else (80, 60), [
        Thing((5 + number, 10, 40, 30)),
        Thing((20, 35, 50, 55), "person", (0, 250, 0), crowd=number == 1, difficult=number == 2),
    ])
    for number in range(7)
]  # fmt: skip
TASKS = ("voc", "coco", "ade20k")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sets")
    parts = {
        ("VOC2007", "trainval"): PICTURES[:3],
        ("VOC2012", "trainval"): PICTURES[3:],
        ("VOC2007", "test"): PICTURES[:2],
    }
    return {
        "voc": write_voc(root / "VOCdevkit", parts),
        "coco": write_coco(root / "coco", PICTURES, PICTURES[:2]),
        "ade20k": write_ade20k(root / "ADEChallengeData2016", PICTURES, PICTURES[:2]),
    }


@pytest.fixture
def batches(folders: dict[str, Path]):
    def build(task: str, images_per_gpu: int = 2, workers: int = 0, **options: Any) -> TrainingBatches:
        data = open_data(task, folders[task], "train")
        settings = MADE_IMAGE_SETTINGS[task]
        return TrainingBatches(data, settings, images_per_gpu=images_per_gpu, seed=3, workers=workers, **options)

    return build


def _take(batches: TrainingBatches, start: int, count: int) -> list[Batch]:
    iterator = batches.starting_at(start)
    try:
        return list(islice(iterator, count))
    finally:
        iterator.close()


def _flat(batch: Batch) -> Iterator[Any]:
    images, targets = batch
    yield images
    yield from [targets] if isinstance(targets, torch.Tensor) else vars(targets).values()


def _require_equal(first: list[Batch], second: list[Batch]) -> None:
    for one, other in zip(first, second, strict=True):
        for mine, theirs in zip(_flat(one), _flat(other), strict=True):
            assert torch.equal(mine, theirs) if isinstance(mine, torch.Tensor) else mine == theirs


@pytest.mark.parametrize("task", TASKS)
def test_batches_are_the_same_for_any_workers_and_any_start(batches, task: str) -> None:
    alone = _take(batches(task), 0, 9)
    _require_equal(_take(batches(task, workers=2), 0, 9), alone)
    _require_equal(_take(batches(task), 5, 1), alone[5:6])
    assert batches(task).steps_per_epoch == 4  # ADE20K: 7 images; otherwise 3 high and 4 wide ones
    first, second = alone[0][0], alone[batches(task).steps_per_epoch][0]
    assert first.shape != second.shape or not torch.equal(first, second)


@pytest.mark.parametrize("task", TASKS)
def test_ranks_share_the_batch_of_one(batches, task: str) -> None:
    whole = _take(batches(task, images_per_gpu=2), 0, 6)
    ranks = [_take(batches(task, images_per_gpu=1, rank=rank, ranks=2), 0, 6) for rank in range(2)]
    for step, (images, targets) in enumerate(whole):
        for rank in range(2):
            own_images, own_targets = ranks[rank][step]
            if isinstance(targets, torch.Tensor):
                assert torch.equal(own_images[0], images[rank])
                assert torch.equal(own_targets[0], targets[rank])
                continue
            height, width = targets.valid_sizes[rank]
            objects = own_targets.labels.shape[1]
            assert own_targets.valid_sizes == ((height, width),)
            assert torch.equal(own_images[0, :, :height, :width], images[rank, :, :height, :width])
            assert torch.equal(own_targets.boxes[0], targets.boxes[rank, :objects])
            assert torch.equal(own_targets.labels[0], targets.labels[rank, :objects])
            assert own_targets.seeds == targets.seeds[rank : rank + 1]
    assert batches(task, images_per_gpu=1, ranks=2).steps_per_epoch == batches(task).steps_per_epoch


def test_images_of_a_detection_batch_are_of_one_orientation(batches) -> None:
    for _, targets in _take(batches("voc"), 0, 8):
        assert len({height > width for height, width in targets.valid_sizes}) == 1


def test_loading_leaves_the_generator_alone(batches) -> None:
    before = torch.get_rng_state()
    for workers in (0, 1):
        _take(batches("coco", workers=workers), 0, 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_workers_get_can_be_sent_to_a_fresh_process(batches) -> None:
    """Where processes are spawned, as on macOS, the data set travels as a pickle."""
    built = batches("coco")
    copy = pickle.loads(pickle.dumps(built))
    _require_equal(_take(copy, 1, 2), _take(built, 1, 2))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_one_sentence(tmp_path: Path, workers: int) -> None:
    folder = write_ade20k(tmp_path, PICTURES[:1], PICTURES[:1])
    data = open_data("ade20k", folder, "train")
    image = data.entries[0].file
    image.write_bytes(image.read_bytes()[:-50])
    batches = TrainingBatches(data, MADE_IMAGE_SETTINGS["ade20k"], images_per_gpu=1, seed=0, workers=workers)
    with pytest.raises(DataError) as caught:
        _take(batches, 0, 1)
    assert str(caught.value) == f"{image} cannot be read as an image: Image is incomplete or truncated."


def test_workers_leave_an_interrupt_to_the_parent(batches, capfd: pytest.CaptureFixture[str]) -> None:
    iterator = batches("voc", workers=1).starting_at(0)
    next(iterator)
    (worker,) = torch.multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGINT)
    assert len(list(islice(iterator, 5))) == 5
    iterator.close()
    assert not torch.multiprocessing.active_children()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"images_per_gpu": 0}, "images_per_gpu must be at least 1, got 0"),
        ({"workers": -1}, "workers must be at least 0, got -1"),
        ({"rank": 2, "ranks": 2}, "rank must be between 0 and 1, got 2"),
    ],
)
def test_senseless_numbers_are_refused(batches, options: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        batches("voc", **options)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("task", TASKS)
def test_evaluation_sees_each_image_whole_and_in_order(folders: dict[str, Path], task: str, workers: int) -> None:
    data = open_data(task, folders[task], "val")
    settings = replace(MADE_IMAGE_SETTINGS[task], test=ResizeSettings(short_sides=(128,), long_side=192))
    images = EvaluationImages(data, settings, workers)
    seen = list(images)
    assert [item.index for item in seen] == [0, 1] == list(range(len(images)))
    assert [item.original_size for item in seen] == [(80, 60), (60, 80)]
    assert [item.size for item in seen] == [(171, 128), (128, 171)]  # 128 / 60 * 80 = 170.7
    assert [tuple(item.image.shape) for item in seen] == [(1, 3, 192, 128), (1, 3, 128, 192)]
    assert seen[1].image[..., 171:].eq(0).all()
    assert seen[1].image[..., :171].ne(0).any(1).all()
    for item in seen:
        if task == "ade20k":
            assert torch.equal(item.label_map, data.read(item.index)["label_map"].as_subclass(torch.Tensor))
        else:
            assert item.label_map is None
