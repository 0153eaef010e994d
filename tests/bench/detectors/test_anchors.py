import torch

from bench.detectors.anchors import AnchorGrid


def test_anchors_have_the_area_and_ratio_asked_for() -> None:
    (level,) = AnchorGrid(strides=(8,), scales=(4.0,), ratios=(0.5, 2.0))([torch.empty(1, 1, 2, 3)])
    width, height = level[:, 2] - level[:, 0], level[:, 3] - level[:, 1]
    torch.testing.assert_close(width * height, torch.full((12,), 32.0**2))
    torch.testing.assert_close(height / width, torch.tensor([0.5, 2.0]).repeat(6))


def test_anchors_sit_on_the_corners_of_their_cells_row_by_row() -> None:
    (level,) = AnchorGrid(strides=(8,), scales=(1.0,), ratios=(1.0,))([torch.empty(1, 1, 2, 3)])
    centre = (level[:, :2] + level[:, 2:]) / 2
    assert centre.tolist() == [[0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]]


def test_paper_size_has_the_anchors_of_mmdet() -> None:
    strides = (4, 8, 16, 32, 64)
    features = [torch.empty(1, 1, -(-800 // stride), -(-1344 // stride), device="meta") for stride in strides]
    grid = AnchorGrid(strides, scales=(8.0,), ratios=(0.5, 1.0, 2.0)).to("meta")
    assert sum(len(level) for level in grid(features)) == 3 * (200 * 336 + 100 * 168 + 50 * 84 + 25 * 42 + 13 * 21)
