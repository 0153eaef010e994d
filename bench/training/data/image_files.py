"""Image files: decoded pixels, and sizes from their headers."""

from pathlib import Path

import torch
from PIL import Image, UnidentifiedImageError
from torchvision import tv_tensors
from torchvision.io import ImageReadMode, decode_image

from bench.training.data.problems import DataError

ImageSize = tuple[int, int]
"""Height and width in pixels."""


def read_image(path: Path, size: ImageSize) -> tv_tensors.Image:
    """Decode a file to uint8 (3, H, W). Raises `DataError` if it is broken or not of `size`.

    An orientation in its EXIF header is not applied, because the annotations of these data sets are about the pixels as
    they are stored.
    """
    try:
        pixels = decode_image(torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8), ImageReadMode.RGB)
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an image: {_first_line(error)}.") from None
    if (found := (pixels.shape[1], pixels.shape[2])) != size:
        raise DataError(f"{path} is {_in_words(found)}, but its annotation says {_in_words(size)}.")
    return tv_tensors.Image(pixels)


def read_label_values(path: Path, size: ImageSize) -> torch.Tensor:
    """Decode a PNG of one byte per pixel to uint8 (H, W). Raises `DataError` if it is broken or not of `size`."""
    try:
        with Image.open(path) as image:
            mode, found = image.mode, (image.height, image.width)
            values = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
        raise DataError(f"{path} cannot be read as a label map: {_first_line(error)}.") from None
    if mode not in ("L", "P"):
        raise DataError(f"{path} is no label map: its pixels are of mode {mode}, but one byte for each is expected.")
    if found != size:
        raise DataError(f"{path} is {_in_words(found)}, but its image is {_in_words(size)}.")
    return values.reshape(found)


def size_in_header(path: Path) -> ImageSize:
    """Height and width from a file's header. Raises `DataError` if it is no image."""
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
        raise DataError(f"{path} cannot be read as an image: {_first_line(error)}.") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _in_words(size: ImageSize) -> str:
    return f"{size[0]} pixels high and {size[1]} wide"
