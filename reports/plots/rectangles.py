"""Rectangles and lines in the plane: what overlaps and what crosses."""

from dataclasses import dataclass

Point = tuple[float, float]
Line = tuple[Point, Point]
"""The straight line between two points."""


@dataclass(frozen=True)
class Rectangle:
    """An upright rectangle; y grows upwards."""

    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def around(cls, middle: Point, radius: float) -> "Rectangle":
        """The square whose sides are that far from its middle."""
        x, y = middle
        return cls(x - radius, y - radius, x + radius, y + radius)

    def grown(self, margin: float) -> "Rectangle":
        """This one with a margin on each side."""
        return Rectangle(self.left - margin, self.bottom - margin, self.right + margin, self.top + margin)

    def overlaps(self, other: "Rectangle") -> bool:
        """Whether they share more than an edge."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.top <= other.bottom or other.top <= self.bottom)

    def contains(self, other: "Rectangle") -> bool:
        """Whether the other lies in this one; edges may touch."""
        across = self.left <= other.left and other.right <= self.right
        return across and self.bottom <= other.bottom and other.top <= self.top

    def nearest(self, point: Point) -> Point:
        """The point of this rectangle that is the nearest to another one."""
        x, y = point
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)


def line_meets_rectangle(line: Line, rectangle: Rectangle) -> bool:
    """Whether a part of the line lies inside; touching an edge does not count."""
    (x, y), (end_x, end_y) = line
    first, last = 0.0, 1.0  # the part of the line that is inside, from 0 at its start to 1 at its end
    for start, step, low, high in (
        (x, end_x - x, rectangle.left, rectangle.right),
        (y, end_y - y, rectangle.bottom, rectangle.top),
    ):
        if step == 0:
            if not low < start < high:
                return False
            continue
        enters, leaves = sorted(((low - start) / step, (high - start) / step))
        first, last = max(first, enters), min(last, leaves)
    return first < last


def lines_cross(one: Line, other: Line) -> bool:
    """Whether each line has the ends of the other on both of its sides."""
    apart = _side(one, other[0]) * _side(one, other[1]) < 0
    return apart and _side(other, one[0]) * _side(other, one[1]) < 0


def _side(line: Line, point: Point) -> float:
    (x, y), (end_x, end_y) = line
    return (end_x - x) * (point[1] - y) - (end_y - y) * (point[0] - x)
