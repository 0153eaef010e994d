"""Polygons around masks, by counting and by pycocotools."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from bench.training.data.made.borders import is_filled, signed_area, trace
from bench.training.data.made.outlines import draw_outline, extent, fill

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools


def test_a_rectangle_has_four_corners() -> None:
    mask = np.zeros((6, 9), dtype=bool)
    mask[1:4, 2:7] = True
    assert trace(mask) == [[(2, 1), (7, 1), (7, 4), (2, 4)]]
    assert extent(mask) == (2, 1, 7, 4)


def test_parts_that_meet_in_a_corner_are_two() -> None:
    polygons = trace(np.eye(2, dtype=bool))
    assert [signed_area(polygon) for polygon in polygons] == [1, 1]
    assert len(trace(np.fliplr(np.eye(2, dtype=bool)))) == 2


def test_a_hole_runs_the_other_way() -> None:
    mask = np.ones((3, 3), dtype=bool)
    assert is_filled(mask)
    mask[1, 1] = False
    assert sorted(signed_area(polygon) for polygon in trace(mask)) == [-1, 9]
    assert not is_filled(mask)


@pytest.mark.parametrize("seed", range(20))
def test_areas_add_up_and_pycocotools_fills_the_same_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((12, 10)) < 0.6
    polygons = trace(mask)
    assert sum(map(signed_area, polygons)) == mask.sum()
    around = [polygon for polygon in polygons if signed_area(polygon) > 0]
    flat = [[float(value) for corner in polygon for value in corner] for polygon in around]
    filled = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(flat, *mask.shape))).astype(bool)
    assert (filled | mask == filled).all()
    if is_filled(mask):
        assert (filled == mask).all()


def test_an_outline_is_filled_within_a_pixel_of_its_corners() -> None:
    rng = np.random.default_rng(0)
    for shape in ("ellipse", "rectangle", "triangle", "cross", "star", "disc"):
        outline = draw_outline(shape, (40, 35), 20, rng)
        left, top, right, bottom = extent(fill(outline, (80, 90)))
        np.testing.assert_allclose((left, top), outline.min(axis=0), atol=1)
        np.testing.assert_allclose((right - 1, bottom - 1), outline.max(axis=0), atol=1)
