"""The border of a mask as polygons along the edges of its pixels."""

import numpy as np
from numpy.typing import NDArray

from bench.training.data.made.outlines import Mask

Corner = tuple[int, int]


def trace(mask: Mask) -> list[list[Corner]]:
    """Closed polygons, as corners (x, y) of pixels, that run around a mask (H, W) with its pixels on their right.

    One runs clockwise around each part (parts that meet in a corner are parts of their own), and one counter-clockwise
    around each hole. Corners on a straight line are left out.
    """
    following = _edges(mask)
    polygons = []
    while following:
        start = min(following)
        polygon, corner, came = [], start, (0, 0)
        while following:
            steps = following.get(corner)
            if not steps:
                break
            step = _rightmost(came, steps)
            steps.remove(step)
            if not steps:
                del following[corner]
            if step != came:
                polygon.append(corner)
            corner, came = (corner[0] + step[0], corner[1] + step[1]), step
            if corner == start:
                break
        polygons.append(polygon)
    return polygons


def is_filled(mask: Mask) -> bool:
    """Whether a mask has no hole, so that polygons around its parts say which pixels it has."""
    return all(signed_area(polygon) > 0 for polygon in trace(mask))


def signed_area(polygon: list[Corner]) -> float:
    """Area of a polygon in pixels, negative where it runs counter-clockwise as seen with y downwards."""
    points: NDArray[np.float64] = np.array(polygon, dtype=np.float64)
    x, y = points.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _edges(mask: Mask) -> dict[Corner, list[Corner]]:
    """Corner -> unit steps to the next corners, along all edges between the mask and what is not."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    sides = (
        (inside & ~padded[:-2, 1:-1], (0, 0), (1, 0)),  # edge above a pixel, to the right
        (inside & ~padded[1:-1, 2:], (1, 0), (0, 1)),  # edge at its right, downwards
        (inside & ~padded[2:, 1:-1], (1, 1), (-1, 0)),  # edge below it, to the left
        (inside & ~padded[1:-1, :-2], (0, 1), (0, -1)),  # edge at its left, upwards
    )
    following: dict[Corner, list[Corner]] = {}
    for border, offset, step in sides:
        for row, column in np.argwhere(border).tolist():
            following.setdefault((column + offset[0], row + offset[1]), []).append(step)
    return following


def _rightmost(came: Corner, steps: list[Corner]) -> Corner:
    """Of two ways on, the one to the right, which stays at the same part of the mask."""
    right = (-came[1], came[0])
    return right if right in steps else steps[0]
