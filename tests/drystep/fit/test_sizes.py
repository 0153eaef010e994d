"""Sizes that are asked for, and rows of sizes, by arithmetic."""

import pytest

from drystep.fit.sizes import BatchRow, ImageRow, StepSize, size_asked


def _both(device, batch_size=4, image_size=(64, 96)):
    """Takes both."""


def _neither(device):
    """Takes none."""


def test_what_is_asked_for() -> None:
    assert size_asked(_both, None, None) == StepSize(4, (64, 96))
    assert size_asked(_both, 7, (32, 32)) == StepSize(7, (32, 32))
    assert size_asked(_neither, None, None) == StepSize()
    assert size_asked(lambda device, batch_size, image_size=32: None, None, None) == StepSize(2, None)
    assert StepSize(7, (32, 64)).keywords == {"batch_size": 7, "image_size": (32, 64)}
    assert StepSize(7).keywords == {"batch_size": 7}


def test_what_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="_neither takes no image_size: leave --image-size out, or give the function"):
        size_asked(_neither, None, (32, 32))
    with pytest.raises(ValueError, match="image width must be between 1 and 16384, got 0"):
        size_asked(_both, None, (32, 0))
    with pytest.raises(ValueError, match="image height must be between 1 and 16384, got 16385"):
        size_asked(_both, None, (16385, 1))
    with pytest.raises(ValueError, match=r"image size must be a pair \(height, width\), got 32"):
        size_asked(_both, None, 32)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="image height must be a whole number"):
        size_asked(_both, None, (32.5, 32))  # type: ignore[arg-type]


def test_a_row_of_batches() -> None:
    row = BatchRow(StepSize(6, (64, 96)))
    assert (row.start, row.limit, row.size(9), row.load(9)) == (6, 4096, (9,), 9.0)
    assert row.step_size(9) == StepSize(9, (64, 96))
    assert BatchRow(StepSize(10**6)).start == 4096


def test_a_row_of_images() -> None:
    row = ImageRow(StepSize(2, (480, 640)), 32)
    assert row.start == 15
    assert row.image(15) == (480, 640)
    assert row.image(16) == (512, 672)  # 16 * 4 / 3 is 21.3 times 32
    assert row.image(1) == (32, 32)
    assert row.image(0) == (0, 0)
    assert row.limit == 96  # the width of 3072 x 4096
    assert row.step_size(16) == StepSize(2, (512, 672))
    assert row.load(16) == 512 * 672
    assert ImageRow(StepSize(2, (224, 224)), 14).limit == 292
    assert ImageRow(StepSize(2, (96, 160)), 32).limit == 77  # 77 * 5 / 3 is 128.3, and 78 * 5 / 3 is 130
    assert ImageRow(StepSize(2, (640, 480)), 32).limit == 128
    assert ImageRow(StepSize(2, (230, 230)), 32).start == 7
    assert ImageRow(StepSize(2, (8000, 80)), 32).image(128) == (4096, 32)
