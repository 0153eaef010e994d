import pytest

from reports.plots.rectangles import Rectangle, line_meets_rectangle, lines_cross

SQUARE = Rectangle(0, 0, 10, 10)


def test_overlap_is_more_than_a_shared_edge() -> None:
    assert SQUARE.overlaps(Rectangle(9, 9, 20, 20))
    assert SQUARE.overlaps(Rectangle(4, 4, 5, 5))
    assert not SQUARE.overlaps(Rectangle(10, 0, 20, 10))
    assert not SQUARE.overlaps(Rectangle(2, 11, 3, 12))


def test_containing_and_growing() -> None:
    assert SQUARE.contains(Rectangle(0, 0, 10, 5))
    assert not SQUARE.contains(Rectangle(5, 5, 11, 6))
    assert SQUARE.grown(2) == Rectangle(-2, -2, 12, 12)
    assert Rectangle.around((5, 5), 5) == SQUARE


@pytest.mark.parametrize(("point", "nearest"), [((20, 5), (10, 5)), ((-3, -4), (0, 0)), ((2, 3), (2, 3))])
def test_the_nearest_point(point, nearest) -> None:
    assert SQUARE.nearest(point) == nearest


@pytest.mark.parametrize(
    ("line", "meets"),
    [
        (((-5, 5), (15, 5)), True),  # through the middle
        (((5, 5), (6, 6)), True),  # inside
        (((-5, 5), (0, 5)), False),  # ends at the edge
        (((-5, 8), (3, 16)), False),  # passes the corner
        (((-5, 10), (15, 10)), False),  # along the edge
        (((5, 12), (5, 20)), False),  # above
    ],
)
def test_lines_and_a_rectangle(line, meets) -> None:
    assert line_meets_rectangle(line, SQUARE) is meets


def test_lines_cross_where_each_has_the_other_on_both_sides() -> None:
    assert lines_cross(((0, 0), (10, 10)), ((0, 10), (10, 0)))
    assert not lines_cross(((0, 0), (4, 4)), ((0, 10), (10, 0)))
    assert not lines_cross(((0, 0), (10, 0)), ((0, 1), (10, 1)))
