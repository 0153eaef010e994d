import numpy as np
import pytest
import torch
from pycocotools import mask as judge

from bench.training.data.formats.coco_masks import rasterise

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIZE = (47, 61)


def _drawn_by_judge(polygons: list[list[float]]) -> np.ndarray:
    return judge.decode(judge.merge(judge.frPyObjects(polygons, *SIZE)))


@pytest.mark.parametrize("seed", range(20))
def test_polygons_are_drawn_as_pycocotools_draws_them(seed: int) -> None:
    random = np.random.default_rng(seed)
    corners = random.integers(3, 9, size=random.integers(1, 4))
    polygons = [(random.uniform(-5, 66, size=2 * count)).round(2).tolist() for count in corners]
    assert np.array_equal(rasterise(polygons, SIZE).numpy(), _drawn_by_judge(polygons))


def test_run_lengths_are_read_as_they_are_and_compressed() -> None:
    mask = np.asfortranarray(np.random.default_rng(0).random(SIZE) < 0.3, dtype=np.uint8)
    compressed = judge.encode(mask)
    drawn = rasterise({"size": list(SIZE), "counts": compressed["counts"].decode()}, SIZE)
    assert np.array_equal(drawn.numpy(), mask)
    assert drawn.dtype == torch.uint8
    runs = {"size": list(SIZE), "counts": [10, 47, SIZE[0] * SIZE[1] - 57]}
    assert rasterise(runs, SIZE).T.flatten().nonzero().flatten().tolist() == list(range(10, 57))


def test_two_points_cover_nothing() -> None:
    assert rasterise([[1, 1, 40, 40]], SIZE).sum() == 0
    square = [10.0, 10, 20, 10, 20, 20, 10, 20]
    assert torch.equal(rasterise([[1, 1, 40, 40], square], SIZE), rasterise([square], SIZE))
