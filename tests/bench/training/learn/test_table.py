"""What a study shows, by arithmetic on runs whose accuracy is given."""

from pathlib import Path

import pytest
from PIL import Image

from bench.training.learn.plot import plot_study
from bench.training.learn.settings import RANDOM, LearnSettings
from bench.training.learn.study import Study
from bench.training.learn.table import Comparison, comparisons, markdown, missing, rows, sentence
from bench.training.learn.training import Run

GIVEN = {
    "full": (0.8, 0.7, 0.9),
    "fixed": (0.3, 0.3, 0.3),
    "e3va": (0.35, 0.25, 0.4),
    RANDOM: (0.2, 0.1, 0.3),
}


@pytest.fixture
def study() -> Study:
    settings = LearnSettings(targets=("angles",), methods=("full", "fixed", "e3va"))
    runs = [Run("angles", name, seed, miou, 1234, 1.0) for name in GIVEN for seed, miou in enumerate(GIVEN[name])]
    return Study(settings, 0.71, tuple(runs))


def test_means_and_spreads(study: Study) -> None:
    full = rows(study)[0]
    assert (full.method, full.mious) == ("full", (0.8, 0.7, 0.9))
    assert full.mean == pytest.approx(0.8)
    assert full.spread == pytest.approx(0.1)  # sqrt((0 + 0.01 + 0.01) / 2)


def test_differences_are_paired_by_seed(study: Study) -> None:
    found = {(each.better, each.worse): each for each in comparisons(study)}
    assert found["full", "fixed"].differences == pytest.approx((0.5, 0.4, 0.6))
    assert found["full", "fixed"].shown
    assert found["full", RANDOM].shown
    assert found["e3va", "fixed"].differences == pytest.approx((0.05, -0.05, 0.1))
    assert not found["e3va", "fixed"].shown


def test_what_is_required_and_not_shown_is_missing(study: Study) -> None:
    assert [(each.better, each.worse) for each in missing(comparisons(study))] == [("e3va", "fixed")]


@pytest.mark.parametrize(
    ("differences", "shown"),
    [((0.1, 0.1, 0.1), True), ((0.1, 0.2, 0.15), True), ((0.01, 0.01, 0.3), False), ((0.2, 0.2, -0.01), False)],
)
def test_beyond_noise_is_every_seed_and_more_than_the_spread(differences: tuple[float, ...], shown: bool) -> None:
    assert Comparison("angles", "e3va", "fixed", differences).shown is shown


def test_the_document_says_plainly_what_is_not_shown(study: Study) -> None:
    text = markdown(study)
    assert "| angles | Full | 1,234 | 0.800 | 0.100 | 0.800 | 0.700 | 0.900 |" in text
    assert "On angles, E3VA is NOT SHOWN to learn better than Fixed" in text
    assert "On angles, Full learns better than Full from random weights: mIoU differs by +0.600 on average" in text
    assert sentence(comparisons(study)[0]).endswith("by +0.500, +0.400, +0.600 for the seeds.")


def test_the_picture_can_be_read(study: Study, tmp_path: Path) -> None:
    plot_study(study, tmp_path / "learn.png")
    with Image.open(tmp_path / "learn.png") as image:
        assert min(image.size) > 300
