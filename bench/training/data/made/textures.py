"""Textures as arrays of colours, drawn by arithmetic from a generator of random numbers."""

import colorsys
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.training.data.made.styles import Style
from drystep.errors import choose

Floats = NDArray[np.floating]
SHARPNESS = 4.0
"""How steeply the waves of a pattern change between the two colours."""


def draw_texture(
    kind: str, size: tuple[int, int], hue: float, contrast: tuple[float, float], style: Style, rng: np.random.Generator
) -> Floats:
    """Colours (H, W, 3) from 0 to 1, without the noise of the pixels, of an area of `size` (height, width).

    `hue` is that of the class, in turns. Raises `ValueError` for a kind that is not one of `KINDS`.
    """
    pattern = KINDS[choose("texture", kind, KINDS)]
    period_px = rng.uniform(*style.period) * min(size)
    angle = math.radians(rng.uniform(*style.orientation_degrees))
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    phase_u, phase_v = rng.uniform(0, 2 * np.pi, 2)
    scale = 2 * np.pi / period_px
    u = (columns * math.cos(angle) + rows * math.sin(angle)) * scale + phase_u  # (H, W), radians
    v = (rows * math.cos(angle) - columns * math.sin(angle)) * scale + phase_v
    mix = pattern(u, v, period_px, rng)[..., None]  # (H, W, 1), 0 to 1
    dark, light = _colours(hue, contrast, style, rng)
    return (dark + (light - dark) * mix).astype(np.float32)


def smooth_noise(size: tuple[int, int], cell_px: float, rng: np.random.Generator) -> Floats:
    """Random values (H, W) from 0 to 1, interpolated between points that are `cell_px` apart."""
    height, width = size
    grid = rng.random((max(2, round(height / cell_px)), max(2, round(width / cell_px))), dtype=np.float32)
    image = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(image, dtype=np.float32), 0, 1)


def _wave(phase: Floats) -> Floats:
    """A wave between 0 and 1 whose halves are nearly flat."""
    return 1 / (1 + np.exp(-SHARPNESS * np.sin(phase)))


def _stripes(u: Floats, v: Floats, period_px: float, rng: np.random.Generator) -> Floats:
    return _wave(u)


def _checks(u: Floats, v: Floats, period_px: float, rng: np.random.Generator) -> Floats:
    return 1 / (1 + np.exp(-2 * SHARPNESS * np.sin(u / 1.4) * np.sin(v / 1.4)))


def _dots(u: Floats, v: Floats, period_px: float, rng: np.random.Generator) -> Floats:
    return 1 / (1 + np.exp(-SHARPNESS * (np.cos(u) + np.cos(v) - 0.6)))


def _rings(u: Floats, v: Floats, period_px: float, rng: np.random.Generator) -> Floats:
    centre_u, centre_v = (rng.uniform(axis.min(), axis.max()) for axis in (u, v))
    return _wave(np.hypot(u - centre_u, v - centre_v).astype(np.float32))


def _blobs(u: Floats, v: Floats, period_px: float, rng: np.random.Generator) -> Floats:
    noise = smooth_noise((u.shape[0], u.shape[1]), period_px * 0.7, rng)
    return 1 / (1 + np.exp(-3 * SHARPNESS * (noise - 0.5)))


def _clouds(u: Floats, v: Floats, period_px: float, rng: np.random.Generator) -> Floats:
    size = (u.shape[0], u.shape[1])
    return 0.7 * smooth_noise(size, period_px * 4, rng) + 0.3 * smooth_noise(size, period_px, rng)


def _grain(u: Floats, v: Floats, period_px: float, rng: np.random.Generator) -> Floats:
    return smooth_noise((u.shape[0], u.shape[1]), 2.0, rng)


KINDS: dict[str, Callable[[Floats, Floats, float, np.random.Generator], Floats]] = {
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "rings": _rings,
    "blobs": _blobs,
    "clouds": _clouds,
    "grain": _grain,
}
"""Kind -> function of the rotated coordinates u and v (radians), the period and the random numbers; values 0 to 1."""


def _colours(
    hue: float, contrast: tuple[float, float], style: Style, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """A dark and a light colour of about one hue, whose brightness differs by a contrast that is drawn."""
    difference = rng.uniform(*contrast)
    middle = rng.uniform(0.15 + difference / 2, 0.95 - difference / 2)
    drawn_hue = (hue + style.hue_shift + rng.uniform(-1, 1) * style.hue_spread) % 1
    saturation = rng.uniform(*style.saturation)
    dark, light = (
        np.array(colorsys.hsv_to_rgb(drawn_hue, saturation, value), dtype=np.float32)
        for value in (middle - difference / 2, middle + difference / 2)
    )
    return dark, light
