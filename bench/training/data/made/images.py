"""The drawings of a set, one by one, and how images are stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.training.data.made.scenes import Scene, draw_scene
from bench.training.data.made.settings import MadeSettings
from bench.training.data.made.styles import STYLES

JPEG_QUALITY = 95
PORTRAITS = 3
"""Every so many images one is upright."""
SPLIT_NUMBERS = {"train": 0, "val": 1}


def draw_image(settings: MadeSettings, split: str, index: int) -> Scene:
    """Draw image number `index` of "train" or "val"."""
    rng = np.random.default_rng([settings.seed, SPLIT_NUMBERS[split], index])
    size = settings.image_size[::-1] if index % PORTRAITS == PORTRAITS - 1 else settings.image_size
    style = STYLES[settings.style]
    return draw_scene(settings.task, size, style if split == "train" else style.for_validation(), rng)


@dataclass
class Numbers:
    """How much was written, by part of the set."""

    images: dict[str, int] = field(default_factory=dict)
    """Images by part."""
    objects: dict[str, int] = field(default_factory=dict)
    """Objects by part."""

    def add(self, part: str, objects: int) -> None:
        """Count one more image and its objects."""
        self.images[part] = self.images.get(part, 0) + 1
        self.objects[part] = self.objects.get(part, 0) + objects


def save_jpeg(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write colours (H, W, 3) as a JPEG, and its folder. Raises `OSError`."""
    _save(Image.fromarray(pixels), path, "JPEG", quality=JPEG_QUALITY)


def save_png(values: NDArray[np.uint8], path: Path) -> None:
    """Write values (H, W) as a grey PNG, and its folder. Raises `OSError`."""
    _save(Image.fromarray(values), path, "PNG")


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """Write lines of text, and their folder. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _save(image: Image.Image, path: Path, file_format: str, **options: int) -> None:
    encoded = BytesIO()  # Pillow itself cuts a file short, without an error, where the disk is full
    image.save(encoded, file_format, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.getbuffer())
