import pytest
import torch

from bench.detectors.assignment.matching import BACKGROUND, IGNORED
from bench.detectors.assignment.sampling import sample_balanced


@pytest.mark.parametrize(
    ("positives", "background", "expected_positives", "expected_valid"),
    [
        (100, 500, 16, 64),  # more positives than wanted
        (5, 500, 5, 64),  # background fills up
        (0, 500, 0, 64),
        (100, 10, 16, 26),  # too few of both: padding
        (0, 0, 0, 0),
    ],
)
def test_sample_is_balanced_and_of_fixed_size(
    positives: int, background: int, expected_positives: int, expected_valid: int
) -> None:
    matched = torch.tensor([3] * positives + [BACKGROUND] * background + [IGNORED] * 100)
    matched = matched[torch.randperm(len(matched))]
    sample = sample_balanced(matched, torch.ones_like(matched, dtype=torch.bool), size=64, positive_fraction=0.25)
    assert sample.chosen.shape == sample.positive.shape == sample.valid.shape == (64,)
    assert sample.positive.sum() == expected_positives
    assert sample.valid.sum() == expected_valid
    assert sample.positive[:16].sum() == expected_positives  # they come first
    assert (matched[sample.chosen[sample.positive]] == 3).all()
    assert (matched[sample.chosen[sample.valid & ~sample.positive]] == BACKGROUND).all()
    assert len(set(sample.chosen.tolist())) == 64  # nothing is drawn twice


def test_ineligible_boxes_are_never_drawn() -> None:
    matched = torch.tensor([0, BACKGROUND] * 50)
    eligible = torch.arange(100) < 10
    sample = sample_balanced(matched, eligible, size=64, positive_fraction=0.5)
    assert set(sample.chosen[sample.valid].tolist()) == set(range(10))


def test_sample_is_random() -> None:
    matched = torch.full((1000,), BACKGROUND)
    eligible = torch.ones(1000, dtype=torch.bool)
    draws = [sample_balanced(matched, eligible, size=10, positive_fraction=0.5).chosen.tolist() for _ in range(2)]
    assert draws[0] != draws[1]


def test_a_small_choice_shrinks_the_sample() -> None:
    matched = torch.tensor([0, BACKGROUND, BACKGROUND])
    sample = sample_balanced(matched, torch.ones(3, dtype=torch.bool), size=64, positive_fraction=0.5)
    assert sample.valid.tolist() == [True] * 3


def test_a_generator_decides_the_sample() -> None:
    matched = torch.arange(100) % 2 - 1  # BACKGROUND and object 0

    def draw(seed: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        sample = sample_balanced(
            matched, torch.ones(100, dtype=torch.bool), size=20, positive_fraction=0.5, generator=generator
        )
        return sample.chosen.tolist()

    assert draw(1) == draw(1) != draw(2)
