import torch
from torchvision.models.detection.roi_heads import paste_masks_in_image

from bench.detectors.inference.masks import paste_masks


def _ones_at(size: tuple[int, int], rows: slice, columns: slice) -> torch.Tensor:
    expected = torch.zeros(1, *size, dtype=torch.bool)
    expected[:, rows, columns] = True
    return expected


def test_a_full_mask_fills_its_box() -> None:
    pasted = paste_masks(torch.ones(1, 28, 28), torch.tensor([[3.0, 2.0, 13.0, 8.0]]), (10, 20))
    assert torch.equal(pasted, _ones_at((10, 20), slice(2, 8), slice(3, 13)))


def test_half_a_mask_fills_half_a_box() -> None:
    mask = torch.zeros(1, 28, 28)
    mask[:, :, 14:] = 1
    pasted = paste_masks(mask, torch.tensor([[4.0, 0.0, 12.0, 10.0]]), (10, 20))
    assert torch.equal(pasted, _ones_at((10, 20), slice(0, 10), slice(8, 12)))


def test_what_lies_beyond_the_image_is_cut() -> None:
    boxes = torch.tensor([[-6.0, -4.0, 4.0, 4.0], [30.0, 2.0, 40.0, 4.0], [5.0, 5.0, 5.0, 5.0]])
    pasted = paste_masks(torch.ones(3, 28, 28), boxes, (10, 20))
    assert torch.equal(pasted[:1], _ones_at((10, 20), slice(0, 4), slice(0, 4)))
    assert not pasted[1:].any()


def test_no_mask_is_none() -> None:
    assert paste_masks(torch.empty(0, 28, 28), torch.empty(0, 4), (10, 20)).shape == (0, 10, 20)


def test_pastes_as_torchvision_does_but_for_its_rounding_of_boxes() -> None:
    """torchvision cuts the sides of a box, with its padding, to whole pixels: up to one pixel at each edge."""
    rows = torch.linspace(-1, 1, 28)
    discs = torch.stack([((rows[:, None] ** 2 + rows**2) < radius).float() for radius in (0.5, 0.8, 1.2)])
    boxes = torch.tensor([[10.3, 20.7, 90.2, 71.9], [-20.0, 5.0, 60.4, 99.5], [50.0, 50.0, 150.0, 130.0]])
    ours = paste_masks(discs, boxes, (120, 160))
    theirs = paste_masks_in_image(discs[:, None], boxes, (120, 160))[:, 0] >= 0.5
    overlap = (ours & theirs).sum((1, 2)) / (ours | theirs).sum((1, 2))
    assert (overlap > 0.95).all(), overlap
