import random
from itertools import combinations

import pytest

from reports.plots.label_placement import Place, Surroundings, place_labels
from reports.plots.label_stacks import spread, stacked_labels
from reports.plots.rectangles import Rectangle, line_meets_rectangle

AREA = Rectangle(0, 0, 500, 400)
RADIUS, GAP = 5.0, 2.0


def _placed(points, sizes, area: Rectangle = AREA) -> list[Place]:
    return place_labels(sizes, Surroundings(points, area, RADIUS, GAP))


@pytest.mark.parametrize("seed", range(12))
def test_nothing_overlaps_and_nothing_is_cut(seed: int) -> None:
    numbers = random.Random(seed)
    # Columns of few x, so that points crowd; every third point lies at an edge.
    points = [(numbers.choice((0, 90, 95, 300, 500)), numbers.uniform(0, 400)) for _ in range(20)]
    sizes = [(numbers.uniform(20, 80), 14.0) for _ in points]
    boxes = [place.box for place in _placed(points, sizes)]
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    for box, (width, height) in zip(boxes, sizes, strict=True):
        assert AREA.contains(box)
        assert (box.right - box.left, box.top - box.bottom) == pytest.approx((width, height))
        assert not any(box.overlaps(Rectangle.around(point, RADIUS)) for point in points)


def test_a_lone_label_is_right_of_its_point() -> None:
    (place,) = _placed([(100, 100)], [(40, 10)])
    assert place.box == Rectangle(107, 95, 147, 105)  # 5 of the point and 2 of gap further right
    assert place.leader is None


def test_at_the_right_edge_it_goes_to_another_side() -> None:
    (place,) = _placed([(495, 100)], [(40, 10)])
    assert place.box.right <= 500
    assert place.leader is None


def test_a_label_that_had_to_move_has_a_line_to_its_point() -> None:
    # Nine points in a square, ten apart: around the one in the middle there is no room for its label.
    points = [(x, y) for x in (240, 250, 260) for y in (190, 200, 210)]
    places = _placed(points, [(30, 10)] * len(points))
    line = places[4].leader
    assert line is not None
    assert line[0] == (250, 200)
    assert line[1] == places[4].box.nearest((250, 200))


def test_lines_keep_clear_of_labels_where_they_can() -> None:
    points = [(100.0, 200.0 + 3 * number) for number in range(8)]
    places = _placed(points, [(60, 12)] * len(points))
    for one in places:
        for other in places:
            assert one is other or one.leader is None or not line_meets_rectangle(one.leader, other.box)


def test_points_of_one_x_have_their_labels_in_a_column() -> None:
    places = _placed([(100, 205), (100, 200), (100, 195)], [(40, 10), (30, 10), (50, 10)])
    # Twelve apart, a height and a gap, around the middle point's 200.
    assert [(place.box.left, place.box.bottom) for place in places] == [(107, 207), (107, 195), (107, 183)]


def test_only_points_above_each_other_are_stacked() -> None:
    boxes = stacked_labels([(0, 0), (3, 100), (50, 0)], [(10, 10)] * 3, distance=7, gap=2)
    assert boxes == {0: Rectangle(10, -5, 20, 5), 1: Rectangle(10, 95, 20, 105)}


def test_spread_moves_as_little_as_it_can() -> None:
    assert spread([0, 100, 200], 10) == [0, 100, 200]
    assert spread([100, 100, 100], 10) == [90, 100, 110]
    assert spread([0, 100, 104, 300], 10) == [0, 97, 107, 300]


def test_without_room_a_label_is_beside_its_point_all_the_same() -> None:
    (place,) = _placed([(10, 10)], [(40, 10)], area=Rectangle(0, 0, 20, 20))
    assert place.box == Rectangle(17, 5, 57, 15)


def test_no_points_no_labels() -> None:
    assert _placed([], []) == []
