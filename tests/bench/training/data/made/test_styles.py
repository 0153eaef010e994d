"""Styles change the statistics that they name, measured on the drawn textures."""

import colorsys
from dataclasses import replace

import numpy as np
import pytest

from bench.training.data.made.images import draw_image
from bench.training.data.made.settings import MadeSettings
from bench.training.data.made.styles import STYLES
from bench.training.data.made.textures import KINDS, draw_texture

SIZE = (128, 128)
FLAT = replace(STYLES["plain"], period=(0.125, 0.125), orientation_degrees=(0, 0))


def spectrum_peak(kind: str, style) -> tuple[float, float]:
    """Cycles per image, downwards and to the right, of the strongest wave in the brightness of a texture."""
    colours = draw_texture(kind, SIZE, 0.3, (0.5, 0.5), style, np.random.default_rng(0))
    brightness = colours.max(axis=2)
    power = np.abs(np.fft.rfft2(brightness - brightness.mean()))
    row, column = np.unravel_index(power.argmax(), power.shape)
    return float(min(row, SIZE[0] - row)), float(column)


def test_stripes_have_the_period_and_the_angle_of_the_style() -> None:
    assert spectrum_peak("stripes", FLAT) == (0, 8)  # 1 / 0.125 periods
    assert spectrum_peak("stripes", replace(FLAT, period=(0.0625, 0.0625))) == (0, 16)
    assert spectrum_peak("stripes", replace(FLAT, orientation_degrees=(90, 90))) == (8, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_contrast_bounds_the_brightness(kind: str) -> None:
    colours = draw_texture(kind, SIZE, 0.3, (0.5, 0.5), FLAT, np.random.default_rng(0))
    brightness = colours.max(axis=2)
    assert brightness.max() - brightness.min() <= 0.5 + 1e-6
    assert brightness.max() - brightness.min() > 0.15
    assert colours.min() >= 0 and colours.max() <= 1


def test_hue_follows_the_class_as_far_as_the_style_says() -> None:
    def hues(spread: float) -> list[float]:
        style = replace(FLAT, hue_spread=spread, hue_shift=0.25)
        drawn = (
            draw_texture("stripes", (8, 8), 0.3, (0.5, 0.5), style, np.random.default_rng(seed)) for seed in range(60)
        )
        return [colorsys.rgb_to_hsv(*colours[0, 0])[0] for colours in drawn]

    assert all(abs(hue - 0.55) <= 0.05 + 1e-5 for hue in hues(0.05))
    counts, _ = np.histogram(hues(0.5), bins=4, range=(0, 1))
    assert counts.min() >= 5


def test_validation_images_have_coarser_patterns_and_more_noise() -> None:
    for style in STYLES.values():
        changed = style.for_validation()
        assert changed.period[0] > style.period[0]
        assert changed.noise > style.noise
        assert changed.name == style.name


def test_source_and_target_differ_in_noise_on_the_same_background() -> None:
    def noise(style: str) -> float:
        pixels = draw_image(MadeSettings(task="voc", style=style), "train", 0).pixels.astype(float) / 255
        return float(np.abs(np.diff(pixels[-20:, :20], axis=1)).mean())

    assert noise("target") > 2 * noise("source")
