from random import Random

import pytest

from bench.cases.source_images import SOURCE_IMAGES
from bench.cases.tasks import WORKLOADS


@pytest.fixture
def random() -> Random:
    return Random(0)


def test_every_task_has_its_images() -> None:
    assert SOURCE_IMAGES.keys() == WORKLOADS.keys()
    for source in SOURCE_IMAGES.values():
        assert sum(share for _, share in source.shares) == pytest.approx(1)


def test_coco_has_the_published_sizes() -> None:
    """Mean 580 wide and 479 high; at least 90 % of images between 167,500 and 355,840 pixels."""
    shares = SOURCE_IMAGES["coco"].shares
    assert sum(width * share for (_, width), share in shares) == pytest.approx(580, rel=0.02)
    assert sum(height * share for (height, _), share in shares) == pytest.approx(479, rel=0.02)
    assert sum(share for (height, width), share in shares if 167_500 <= height * width <= 355_840) >= 0.9


def test_voc_is_500_long() -> None:
    assert {max(size) for size, _ in SOURCE_IMAGES["voc"].shares} == {500}


@pytest.mark.parametrize(("task", "mean", "p99"), [("voc", 2.4, 9), ("coco", 7.27, 32)])
def test_objects_per_image(task: str, mean: float, p99: int, random: Random) -> None:
    """A geometric distribution of mean m exceeds n with probability (1 - 1/m)^n: 1 % at n = 8.5 and 31.1."""
    counts = sorted(SOURCE_IMAGES[task].draw_objects(random) for _ in range(40_000))
    assert sum(counts) / len(counts) == pytest.approx(mean, rel=0.03)
    assert counts[int(0.99 * len(counts))] == pytest.approx(p99, abs=1)
    assert counts[0] == 1 and counts[-1] <= SOURCE_IMAGES[task].most_objects


def test_segmentation_has_no_objects(random: Random) -> None:
    assert SOURCE_IMAGES["ade20k"].draw_objects(random) == 0


def test_wide_and_upright_images_do_not_share_a_batch(random: Random) -> None:
    source = SOURCE_IMAGES["coco"]
    batches = [source.draw_sizes(random, 4) for _ in range(500)]
    orientations = [{width > height for height, width in batch} for batch in batches]
    assert all(len(orientation) == 1 for orientation in orientations)
    wide = sum(share for (height, width), share in source.shares if width > height)
    assert orientations.count({True}) / 500 == pytest.approx(wide, abs=0.06)
