"""Stacks of labels: points one above the other have their labels in a column right of them."""

from collections.abc import Sequence

from reports.plots.rectangles import Point, Rectangle

Size = tuple[float, float]
"""Width and height."""


def stacked_labels(points: Sequence[Point], sizes: Sequence[Size], distance: float, gap: float) -> dict[int, Rectangle]:
    """Number of a point -> the box of its label, for points that stand at about the same x as another.

    Args:
        points: What the labels belong to.
        sizes: Width and height of each label.
        distance: From a point to its label. Points whose x differ by less stand one above the other.
        gap: Least distance between two labels of a stack.
    """
    boxes: dict[int, Rectangle] = {}
    for column in _columns(points, distance):
        left = max(points[number][0] for number in column) + distance
        step = max(sizes[number][1] for number in column) + gap
        heights = spread([points[number][1] for number in column], step)
        for number, middle in zip(column, heights, strict=True):
            width, height = sizes[number]
            boxes[number] = Rectangle(left, middle - height / 2, left + width, middle + height / 2)
    return boxes


def spread(values: Sequence[float], step: float) -> list[float]:
    """The nearest values (by least squares) that are at least a step apart. `values` are in ascending order."""
    # Without the steps below it, each value only has to be no less than the one before: where that fails, both take
    # the mean. A block is the sum and the number of values that share one.
    blocks: list[tuple[float, int]] = []
    for index, value in enumerate(values):
        blocks.append((value - index * step, 1))
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            (last, of_last), (before, of_before) = blocks.pop(), blocks.pop()
            blocks.append((before + last, of_before + of_last))
    means = [_mean(block) for block in blocks for _ in range(block[1])]
    return [mean + index * step for index, mean in enumerate(means)]


def _mean(block: tuple[float, int]) -> float:
    return block[0] / block[1]


def _columns(points: Sequence[Point], distance: float) -> list[list[int]]:
    """Numbers of the points that stand one above the other, from the lowest up."""
    columns: list[list[int]] = []
    for number in sorted(range(len(points)), key=lambda number: points[number][0]):
        if columns and points[number][0] - points[columns[-1][0]][0] < distance:
            columns[-1].append(number)
        else:
            columns.append([number])
    return [sorted(column, key=lambda number: points[number][1]) for column in columns if len(column) > 1]
