"""Made-up domains for segmentation by texture: mosaics whose regions differ in nothing but their texture."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bench.training.data.made.styles import STYLES, Style
from bench.training.data.made.textures import draw_texture

REGIONS = 3
"""Regions of an image: the points that are nearest to one of as many random centres."""
MEAN, STD = 0.45, 0.25
"""What colours are normalised by; they are from 0 to 1."""


@dataclass(frozen=True)
class TextureClass:
    """A class of textures."""

    kind: str
    """One of `textures.KINDS`."""
    orientation_degrees: tuple[float, float] = (0.0, 180.0)
    """Least and greatest angle of its pattern."""


@dataclass(frozen=True)
class Domain:
    """Classes of textures and the statistics that all of them share."""

    name: str
    classes: tuple[TextureClass, ...]
    """In the order of the labels."""
    style: Style
    """Statistics of training images; those of validation images are derived from it."""


_KINDS = tuple(TextureClass(kind) for kind in ("stripes", "checks", "dots", "blobs", "grain", "clouds"))
_SLANT = 12
"""Degrees by which an angle varies to both sides within a class."""
_SLANTED = (("stripes", 0), ("stripes", 45), ("stripes", 90), ("stripes", 135), ("checks", 0), ("checks", 45))
_ANGLES = tuple(TextureClass(kind, (angle - _SLANT, angle + _SLANT)) for kind, angle in _SLANTED)
_TARGET = replace(STYLES["target"], period=(0.07, 0.12), contrast=(0.25, 0.4), noise=0.08)

SOURCE = Domain("source", _KINDS, replace(STYLES["source"], period=(0.12, 0.2), contrast=(0.3, 0.6)))
"""Coarse, strong and coloured patterns, told by their kind at any angle."""
TARGETS: Mapping[str, Domain] = {
    "kinds": Domain("kinds", _KINDS, _TARGET),
    "angles": Domain("angles", _ANGLES, _TARGET),
}
"""Both have finer, fainter, nearly grey patterns in stronger noise. `kinds` keeps the classes of the source. `angles`
has classes that differ in what those of the source ignore, so the pre-training gives no reason to tell them apart."""


def draw_mosaics(domain: Domain, count: int, side: int, seed: int, validation: bool = False) -> tuple[Tensor, Tensor]:
    """Images (count, 3, side, side) float32, normalised, and labels (count, side, side) int64 of a domain."""
    style = domain.style.for_validation() if validation else domain.style
    drawn = [_mosaic(domain, style, side, np.random.default_rng([seed, validation, index])) for index in range(count)]
    colours = torch.from_numpy(np.stack([image for image, _ in drawn]))  # (count, side, side, 3)
    labels = torch.from_numpy(np.stack([label_map for _, label_map in drawn]))
    return colours.permute(0, 3, 1, 2).sub(MEAN).div_(STD).contiguous(), labels


def _mosaic(domain: Domain, style: Style, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    centres = rng.uniform(0, side, (REGIONS, 2))
    pixels = np.moveaxis(np.mgrid[:side, :side], 0, -1)  # (side, side, 2)
    nearest = np.square(pixels[:, :, None] - centres).sum(-1).argmin(-1)  # (side, side)
    image = np.empty((side, side, 3), dtype=np.float32)
    label_map = np.empty((side, side), dtype=np.int64)
    for region in range(REGIONS):
        label = int(rng.integers(len(domain.classes)))
        chosen = domain.classes[label]
        own = replace(style, orientation_degrees=chosen.orientation_degrees)
        texture = draw_texture(chosen.kind, (side, side), 0.0, style.contrast, own, rng)
        image[nearest == region] = texture[nearest == region]
        label_map[nearest == region] = label
    image += rng.standard_normal(image.shape, dtype=np.float32) * style.noise
    return np.clip(image, 0, 1), label_map
