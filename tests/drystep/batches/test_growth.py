"""Polynomials by arithmetic."""

import pytest

from drystep.batches.growth import Growth


def test_numbers_of_a_batch() -> None:
    growth = Growth([(2,), (5,), (11,)])
    assert growth.at((64,), (7, 7, 7)) == 7
    assert growth.at((64,), (13, 28, 58)) == 3 + 5 * 64
    assert growth.at((1000,), (4 + 3, 25 + 3, 121 + 3)) == 1000**2 + 3


def test_factors_need_not_be_whole() -> None:
    """Half of the batch."""
    assert Growth([(2,), (4,), (6,)]).at((8,), (1, 2, 3)) == 4


def test_a_number_that_is_not_whole_is_refused() -> None:
    with pytest.raises(ValueError, match="no polynomial gives a whole number"):
        Growth([(2,), (4,), (6,)]).at((7,), (1, 2, 3))


def test_numbers_that_follow_no_polynomial_are_refused() -> None:
    """Powers of two at four sizes: no polynomial of degree 2 goes through 4, 8, 16 and 32."""
    with pytest.raises(ValueError, match="no polynomial"):
        Growth([(2,), (3,), (4,), (5,)]).at((6,), (4, 8, 16, 32))


def test_numbers_of_images() -> None:
    sizes = [(64, 96), (128, 192), (224, 320)]
    growth = Growth(sizes)
    wanted = (416, 608)
    for number in (
        lambda h, w: 3 * h * w // 4 + 5,  # pixels
        lambda h, w: 2 * h + 1,  # rows
        lambda h, w: w // 32,  # columns
        lambda h, w: (1 + h * w // 256) ** 2,  # each token against each
    ):
        assert growth.at(wanted, tuple(number(*size) for size in sizes)) == number(*wanted)


def test_tables_of_relative_positions_take_a_fourth_size() -> None:
    """(2 h - 1) (2 w - 1) of maps of sixteenths: three sizes fit a polynomial of the squared pixels as well."""
    sizes = [(64, 64), (128, 128), (224, 224), (320, 320)]

    def table(h: int, w: int) -> int:
        return (2 * h // 16 - 1) * (2 * w // 16 - 1)

    assert Growth(sizes).at((512, 512), tuple(table(*size) for size in sizes)) == 63 * 63
