"""Images per second by arithmetic."""

import pytest

from drystep.batches.throughput import BatchSpeed, batch_sizes, throughput
from drystep.errors import SimulationError


def _speed(size: int) -> BatchSpeed:
    """A step that takes 10 ms beside 1 ms per image."""
    return BatchSpeed(size, 10.0 + size, 0)


def test_sizes_are_powers_of_two_between_the_ends() -> None:
    assert batch_sizes(3, 40) == [3, 4, 8, 16, 32, 40]
    assert batch_sizes(4, 16) == [4, 8, 16]
    assert batch_sizes(5, 7) == [5, 7]
    assert batch_sizes(6, 6) == [6]


def test_images_per_second() -> None:
    """A batch of 2 takes 12 ms: 166.7 images a second; one of 40 takes 50: 800; one of 32 takes 42: 761.9."""
    found = throughput(_speed, 2, 40)
    assert [speed.batch_size for speed in found.speeds] == [2, 4, 8, 16, 32, 40]
    assert found.speeds[0].images_per_second == pytest.approx(2 / 0.012)
    assert found.best == BatchSpeed(40, 50.0, 0)
    assert found.enough == BatchSpeed(32, 42.0, 0)  # 95.2 % of 800
    fields = found.to_fields()
    assert fields["best"] == {"batch_size": 40, "step_ms": 50.0, "alloc_retries": 0, "images_per_second": 800.0}
    assert fields["enough"]["batch_size"] == 32
    assert [each["batch_size"] for each in fields["batches"]] == [2, 4, 8, 16, 32, 40]


def test_just_below_95_percent_is_not_enough() -> None:
    """1000 images a second, and 949 or 950 of a smaller batch."""
    at_most = {949.0: 32, 950.0: 16}
    for rate, expected in at_most.items():
        speeds = {16: 1e3 * 16 / rate, 32: 32.0}
        found = throughput(lambda size, speeds=speeds: BatchSpeed(size, speeds[size], 0), 16, 32)  # type: ignore[misc]
        assert found.enough is not None
        assert found.enough.batch_size == expected


def test_the_best_may_be_no_largest_batch() -> None:
    found = throughput(lambda size: BatchSpeed(size, 10.0 * size if size < 8 else 11.0 * size, 0), 1, 8)
    assert found.best == found.enough == BatchSpeed(1, 10.0, 0)


def test_a_batch_that_does_not_fit_has_no_speed() -> None:
    """A verdict may depend on algorithms at one size and not at a larger one."""
    found = throughput(lambda size: None if size == 4 else _speed(size), 2, 8)
    assert [speed.batch_size for speed in found.speeds] == [2, 8]


def test_why_there_is_none() -> None:
    def unknown(size: int) -> BatchSpeed:
        raise ValueError("my card has no fp32_tflops")

    found = throughput(unknown, 2, 8)
    assert (found.speeds, found.best, found.enough) == ((), None, None)
    assert found.to_fields() == {
        "batches": [], "best": None, "enough": None, "unknown": "my card has no fp32_tflops",
    }  # fmt: skip
    assert throughput(_speed, 1, 0).unknown == "a batch of 1 does not fit: not even a batch of 1 fits"
    assert throughput(_speed, 50, 40).unknown == "a batch of 50 does not fit: the largest batch that fits is 40"


def test_a_step_that_fails_is_no_missing_speed() -> None:
    def fails(size: int) -> BatchSpeed:
        raise SimulationError("train.py:5: the step raised IndexError")

    with pytest.raises(SimulationError, match="IndexError"):
        throughput(fails, 2, 8)
