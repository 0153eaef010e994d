from collections import Counter

import pytest

from bench.training.data.epochs import EpochOrder, image_seeds

WIDE, HIGH = (60, 80), (80, 60)


def _indices(order: EpochOrder, epoch: int) -> list[list[int]]:
    batches = [order.batch(epoch * order.steps + number) for number in range(order.steps)]
    assert {batch_epoch for batch_epoch, _ in batches} == {epoch}
    return [list(indices) for _, indices in batches]


def test_an_epoch_has_every_image_and_its_last_batch_is_filled() -> None:
    order = EpochOrder([WIDE] * 7, 3, 0, group_by_aspect=False)
    assert order.steps == 3
    batches = _indices(order, 0)
    assert all(len(batch) == 3 for batch in batches)
    counts = Counter(index for batch in batches for index in batch)
    assert set(counts) == set(range(7))
    assert sum(counts.values()) == 9
    assert max(counts.values()) == 2


def test_a_set_smaller_than_a_batch_repeats() -> None:
    assert Counter(_indices(EpochOrder([WIDE] * 2, 5, 0, group_by_aspect=True), 0)[0]).most_common(1)[0][1] == 3


def test_wide_images_are_apart_from_the_others() -> None:
    sizes = [WIDE, HIGH, (60, 60), WIDE, WIDE, HIGH, WIDE, WIDE]  # a square is not wide
    order = EpochOrder(sizes, 2, 0, group_by_aspect=True)
    assert order.steps == 3 + 2
    for batch in _indices(order, 3):
        assert len({sizes[index] == WIDE for index in batch}) == 1
    mixed = EpochOrder(sizes, 2, 0, group_by_aspect=False)
    assert mixed.steps == 4
    assert any(len({sizes[index] == WIDE for index in batch}) == 2 for batch in _indices(mixed, 0))


def test_the_order_depends_on_seed_and_epoch() -> None:
    def order(seed: int) -> EpochOrder:
        return EpochOrder([WIDE] * 20, 2, seed, group_by_aspect=True)

    assert _indices(order(1), 4) == _indices(order(1), 4)
    assert _indices(order(1), 4) != _indices(order(1), 5)
    assert _indices(order(1), 4) != _indices(order(2), 4)


def test_seeds_of_images_do_not_collide() -> None:
    seeds = [image_seeds(seed, epoch, index) for seed in range(3) for epoch in range(20) for index in range(200)]
    assert len({number for pair in seeds for number in pair}) == 2 * len(seeds)
    assert all(0 <= number < 2**63 for pair in seeds for number in pair)
    assert image_seeds(0, 1, 2) != image_seeds(0, 2, 1)
    with pytest.raises(ValueError, match="non-negative"):
        image_seeds(-1, 0, 0)
