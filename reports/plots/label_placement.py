"""Places for the labels of points: beside them where there is room, further off with a leader line where not.

Labels overlap neither each other nor a point, and none is cut. Of the free places each label takes the cheapest: near
its point, and such that no leader line runs across a label, a point or another line. All lengths are in pixels.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reports.plots.label_stacks import Size, stacked_labels
from reports.plots.rectangles import Line, Point, Rectangle, line_meets_rectangle, lines_cross

REACHES = (0, 8, 16, 24, 34, 46, 60, 76, 94, 114, 136, 160)
"""How far off from its point a label may stand."""
DIRECTIONS = 16
"""In how many directions."""
PASSES = 8
"""How often all labels may look for a better place."""
CROSSING = 400.0
"""What a leader line across a label, a point or another line costs, in pixels of distance."""
AT_THE_LEFT = 6.0
"""What it costs that most of a label is left of its point."""
OUT_OF_STACK = 40.0
"""What a place elsewhere than in its stack costs a label that has one."""
AMBIGUOUS = 10.0
"""What it costs that another point is nearer to the label than its own."""
ROUNDING = 1e-6
"""Labels of a stack are just the gap apart, give or take so much."""
BESIDE = 0.6
"""A label is beside its point, and needs no line, if it is at most that many radii further off than it could be."""


@dataclass(frozen=True)
class Place:
    """Where a label goes."""

    box: Rectangle
    leader: Line | None
    """From the point to the label; None where the label stands beside its point."""
    cost: float
    """How bad the place is, whatever the other labels do."""


@dataclass(frozen=True)
class Surroundings:
    """What all labels have to keep clear of."""

    points: Sequence[Point]
    area: Rectangle
    """Labels must lie in it."""
    radius: float
    """Half the side of the square that a point covers."""
    gap: float
    """Least distance of a label from its point and from other labels."""

    @property
    def distance(self) -> float:
        """From a point to a label beside it."""
        return self.radius + self.gap


def place_labels(sizes: Sequence[Size], around: Surroundings) -> list[Place]:
    """A place for the label of each point, in the order of the points. `sizes` are those of the labels.

    A label for which there is no room anywhere in the area stands right of its point all the same.
    """
    stacks = stacked_labels(around.points, sizes, around.distance, around.gap)
    choices = [_choices(number, size, around, stacks.get(number)) for number, size in enumerate(sizes)]
    chosen: dict[int, Place] = {}
    # Who has the fewest places chooses first.
    order = sorted(range(len(sizes)), key=lambda number: len(choices[number]))
    for _ in range(PASSES):
        before = dict(chosen)
        for number in order:
            others = [place for other, place in chosen.items() if other != number]
            chosen[number] = _cheapest(choices[number], others, around.gap) or _beside(number, sizes[number], around)
        if chosen == before:
            break
    return [chosen[number] for number in range(len(sizes))]


def _cheapest(choices: Iterable[Place], others: Sequence[Place], gap: float) -> Place | None:
    """The best place that keeps clear of the other labels. `choices` are in the order of their own cost."""
    best, least = None, math.inf
    for place in choices:
        if place.cost >= least:
            break
        box = place.box.grown(gap - ROUNDING)
        if any(box.overlaps(other.box) for other in others):
            continue
        cost = place.cost + CROSSING * sum(_crossings(place, other) for other in others)
        if cost < least:
            best, least = place, cost
    return best


def _crossings(one: Place, other: Place) -> int:
    """How often the leader lines of two labels run across each other or the other's label."""
    count = 0
    if one.leader is not None:
        count += line_meets_rectangle(one.leader, other.box)
    if other.leader is not None:
        count += line_meets_rectangle(other.leader, one.box)
    if one.leader is not None and other.leader is not None:
        count += lines_cross(one.leader, other.leader)
    return count


def _choices(number: int, size: Size, around: Surroundings, stacked: Rectangle | None) -> list[Place]:
    """Places in the area that cover no point, the cheapest first. `stacked` is the label's box in its stack."""
    covered = [Rectangle.around(point, around.radius) for point in around.points]
    boxes = [*_in_directions(around.points[number], size, around.distance), *_everywhere(size, around.area)]
    free = [
        box
        for box in dict.fromkeys(boxes if stacked is None else [stacked, *boxes])
        if around.area.contains(box) and not any(box.overlaps(square) for square in covered)
    ]
    places = [_place(number, box, around, OUT_OF_STACK * (stacked not in (None, box))) for box in free]
    return sorted(places, key=lambda place: place.cost)


def _beside(number: int, size: Size, around: Surroundings) -> Place:
    return _place(number, next(_in_directions(around.points[number], size, around.distance)), around)


def _place(number: int, box: Rectangle, around: Surroundings, cost: float = 0.0) -> Place:
    point = around.points[number]
    end = box.nearest(point)
    distance = math.dist(point, end)
    off = max(distance - around.distance, 0.0)
    leader = (point, end) if off > BESIDE * around.radius else None
    others = [other for other in around.points if other != point]
    cost += off + AT_THE_LEFT * (box.left + box.right < 2 * point[0])
    cost += AMBIGUOUS * any(math.dist(other, box.nearest(other)) < distance for other in others)
    if leader is not None:
        squares = (Rectangle.around(other, around.radius) for other in others)
        cost += CROSSING * sum(line_meets_rectangle(leader, square) for square in squares)
    return Place(box, leader, cost)


def _in_directions(point: Point, size: Size, distance: float) -> Iterator[Rectangle]:
    """Boxes around a point, the first right of it."""
    (x, y), (width, height) = point, size
    for reach in REACHES:
        for direction in range(DIRECTIONS):
            angle = 2 * math.pi * direction / DIRECTIONS
            across, up = math.cos(angle), math.sin(angle)
            left = x + (distance + reach) * across - width * (1 - across) / 2
            bottom = y + (distance + reach) * up - height * (1 - up) / 2
            yield Rectangle(left, bottom, left + width, bottom + height)


def _everywhere(size: Size, area: Rectangle) -> Iterator[Rectangle]:
    """Boxes side by side over all of the area, for labels that find no room nearer."""
    width, height = size
    for row in range(int((area.top - area.bottom) / height)):
        for column in range(int((area.right - area.left) / width)):
            left, bottom = area.left + column * width, area.bottom + row * height
            yield Rectangle(left, bottom, left + width, bottom + height)
