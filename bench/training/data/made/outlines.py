"""Outlines of shapes, and the masks that they enclose."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from drystep.errors import choose

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]


def draw_outline(shape: str, centre: tuple[float, float], radius: float, rng: np.random.Generator) -> Points:
    """Corners (n, 2), x and y in pixels, of a shape whose size and turn vary at random around `radius`.

    Raises `ValueError` for a shape that is not one of `SHAPES`.
    """
    corners = SHAPES[choose("shape", shape, SHAPES)]()
    stretch = rng.uniform(0.85, 1.15)
    angle = np.deg2rad(rng.uniform(-15, 15))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    placed: Points = (corners * radius * [stretch, 1 / stretch]) @ turn + centre
    return placed


def fill(outline: Points, size: tuple[int, int]) -> Mask:
    """The pixels (H, W) of an image of `size` (height, width) that an outline encloses."""
    image = Image.new("L", (size[1], size[0]))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in outline], fill=1)
    return np.asarray(image, dtype=np.bool_)


def extent(mask: Mask) -> tuple[int, int, int, int]:
    """Left, top, right and bottom edge in pixels of what a mask (H, W) covers; the right and bottom are exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _polar(radii: list[float], start_degrees: float = -90.0) -> Points:
    """Corners at equal angles, at the given distances from the centre."""
    angles = np.deg2rad(start_degrees) + np.arange(len(radii)) * 2 * np.pi / len(radii)
    corners: Points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.array(radii)[:, None]
    return corners


def _ellipse() -> Points:
    return _polar([1.0] * 40) * [0.7, 1.1]


def _rectangle() -> Points:
    return np.array([[-1.1, -0.65], [1.1, -0.65], [1.1, 0.65], [-1.1, 0.65]])


def _triangle() -> Points:
    return _polar([1.15] * 3)


def _cross() -> Points:
    a = 0.4
    return np.array(
        [[-a, -1], [a, -1], [a, -a], [1, -a], [1, a], [a, a], [a, 1], [-a, 1], [-a, a], [-1, a], [-1, -a], [-a, -a]]
    )


def _star() -> Points:
    return _polar([1.15, 0.55] * 5)


def _disc() -> Points:
    return _polar([0.9] * 40)


SHAPES: dict[str, Callable[[], Points]] = {
    "ellipse": _ellipse,
    "rectangle": _rectangle,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
    "disc": _disc,
}
"""Shape -> function that gives its corners (n, 2) around the origin, about 1 away from it."""
