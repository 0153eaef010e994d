from random import Random

import pytest

from bench.cases.batches import (
    AUGMENTATIONS,
    BatchShape,
    Limits,
    draw_batch,
    draw_epoch,
    first_stretch,
    pad,
    worst_stretch,
)
from bench.cases.source_images import SOURCE_IMAGES
from bench.cases.tasks import WORKLOADS

VOC, COCO = WORKLOADS["voc"].image_size, WORKLOADS["coco"].image_size


class Chosen(Random):
    """Chance that falls as told: the policy, then short sides and crop sides in their order."""

    def __init__(self, policy: float, *choices: int) -> None:
        super().__init__()
        self._policy, self._choices = policy, iter(choices)

    def random(self) -> float:
        return self._policy

    def choice(self, options):
        chosen = next(self._choices)
        assert chosen in options
        return chosen

    def randint(self, low: int, high: int) -> int:
        chosen = next(self._choices)
        assert low <= chosen <= high
        return chosen


@pytest.mark.parametrize(
    ("source", "resized", "padded"),
    [
        ((375, 500), (600, 800), (608, 800)),  # x 1.6: the short side meets 600
        ((500, 375), (800, 600), (800, 608)),
        ((333, 500), (600, 901), (608, 928)),  # 500 * 600 / 333 = 900.9
        ((281, 500), (562, 1000), (576, 1024)),  # x 2: the long side meets 1000
        ((500, 500), (600, 600), (608, 608)),
    ],
)
def test_voc(source: tuple, resized: tuple, padded: tuple) -> None:
    assert AUGMENTATIONS["voc"](source, Limits.of("voc", VOC), Random()) == resized
    assert pad(resized) == padded


@pytest.mark.parametrize(
    ("source", "random", "size"),
    [
        ((480, 640), Chosen(0.7, 800), (800, 1067)),  # plain resize: 640 * 800 / 480 = 1066.7
        ((480, 640), Chosen(0.7, 480), (480, 640)),
        ((360, 640), Chosen(0.7, 800), (750, 1333)),  # the long side meets 1333: 360 * 1333 / 640 = 749.8
        # To 600 x 800, a crop of 600 x 384 of it, and that to a width of 800: a wide image stands upright.
        ((480, 640), Chosen(0.2, 600, 600, 384, 800), (1250, 800)),
        # To 400 x 533: the crop can be no higher than 400.
        ((480, 640), Chosen(0.2, 400, 400, 533, 480), (480, 640)),
    ],
)
def test_coco(source: tuple, random: Random, size: tuple) -> None:
    assert AUGMENTATIONS["coco"](source, Limits.of("coco", COCO), random) == size


def test_mixed_orientation_pads_to_the_highest_and_the_widest(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([(750, 1333), (1250, 800)])
    monkeypatch.setitem(AUGMENTATIONS, "coco", lambda *_: next(sizes))
    assert draw_batch("coco", COCO, 2, Random(0)).image_size == (1280, 1344)


@pytest.mark.parametrize("task", ["voc", "coco"])
@pytest.mark.parametrize("factor", [1, 0.2])
def test_no_image_outgrows_the_stated_size(task: str, factor: float) -> None:
    own = WORKLOADS[task].image_size
    stated = (int(own[0] * factor) // 32 * 32, int(own[1] * factor) // 32 * 32)
    shapes = [draw_batch(task, stated, 1, Random(number)) for number in range(2000)]
    assert max(max(shape.image_size) for shape in shapes) <= max(stated)
    assert max(min(shape.image_size) for shape in shapes) <= min(stated)
    assert all(side % 32 == 0 for shape in shapes for side in shape.image_size)
    assert len({shape.image_size for shape in shapes}) > 3


def test_ade20k_always_crops_to_one_size() -> None:
    assert set(draw_epoch("ade20k", (512, 512), 2, seed=0)) == {BatchShape((512, 512), 0)}


def test_an_epoch_goes_through_all_images() -> None:
    assert len(draw_epoch("voc", VOC, 2, seed=0)) == SOURCE_IMAGES["voc"].images // 2 == 8275


def test_the_seed_decides_the_batches() -> None:
    epochs = [draw_epoch("voc", VOC, 2, seed) for seed in (0, 1)]
    draw_epoch.cache_clear()
    assert draw_epoch("voc", VOC, 2, seed=0) == epochs[0]
    assert epochs[0] != epochs[1]


def test_the_worst_stretch_ends_with_the_largest_batch() -> None:
    epoch = draw_epoch("voc", VOC, 2, seed=3, least=14)
    stretch = worst_stretch("voc", VOC, 2, count=14, seed=3)
    assert len(stretch) == 14
    assert stretch[-1].load == max(shape.load for shape in epoch)
    start = epoch.index(stretch[-1]) - 13
    assert epoch[start : start + 14] == stretch


def test_a_longer_stretch_goes_further_back() -> None:
    short, long = (worst_stretch("voc", VOC, 2, count, seed=3) for count in (5, 14))
    assert long[-5:] == short


def test_the_largest_of_few_batches() -> None:
    """1,000 images a batch leave 16 batches in an epoch: a longer stretch draws more."""
    assert len(worst_stretch("voc", VOC, 1000, count=20, seed=0)) == 20


def test_the_first_stretch_begins_an_epoch() -> None:
    epoch = draw_epoch("coco", (800, 1344), 2, seed=3)
    assert first_stretch("coco", (800, 1344), 2, 5, seed=3) == epoch[:5]
