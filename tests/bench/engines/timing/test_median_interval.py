from itertools import product

import pytest

from bench.engines.timing.median_interval import CONFIDENCE, median_interval


@pytest.mark.parametrize(
    ("count", "rank"),
    # Missed with 2 P(B < rank): 2/32; 2 (1 + 8)/256; 2 (1 + 10)/1024; 2 (1 + 11 + 55)/2048; 2 * 21700/2**20. One rank
    # further it would be 2 * 6/32, 2 * 37/256, 2 * 56/1024, 2 * 232/2048, 2 * 60460/2**20: all more than a tenth.
    [(5, 1), (8, 2), (10, 2), (11, 3), (20, 6)],
)
def test_ranks(count: int, rank: int) -> None:
    samples = [float(number) for number in range(1, count + 1)]
    assert median_interval(samples[::-1]) == (rank, count + 1 - rank)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_too_few_samples_have_no_interval(count: int) -> None:
    assert median_interval([1.0] * count) is None


@pytest.mark.parametrize("count", [5, 7, 8, 11, 12])
def test_it_holds_the_median_as_often_as_it_says(count: int) -> None:
    """A sample lies on either side of the median with the same probability: count all ways to lie."""
    held = 0
    for sides in product((-1, 1), repeat=count):
        low, high = median_interval([side * (number + 1.0) for number, side in enumerate(sides)])
        held += low <= 0 <= high
    assert held / 2**count >= CONFIDENCE
