"""Statistics of the drawn textures, by the name of a style."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Style:
    """What the textures of a set have in common. All classes of a set are drawn in one style."""

    name: str
    """Name on the command line and in the note beside a set."""
    period: tuple[float, float]
    """Least and greatest period of a pattern, as a part of the shorter side of the image."""
    orientation_degrees: tuple[float, float]
    """Least and greatest angle of a pattern, from the horizontal."""
    contrast: tuple[float, float]
    """Least and greatest difference in brightness (0 to 1) between the two colours of an object's pattern."""
    background_contrast: tuple[float, float]
    """The same of the background."""
    saturation: tuple[float, float]
    """Least and greatest saturation (0 to 1) of all colours."""
    hue_shift: float
    """What is added to the hue of every class, in turns (0 to 1)."""
    hue_spread: float
    """Greatest deviation from the hue of the class, in turns; with 0.5 the colour says nothing about the class."""
    noise: float
    """Standard deviation of the noise of the pixels; colours are from 0 to 1."""

    def for_validation(self) -> "Style":
        """The style of the validation images: coarser patterns at other angles, with less contrast and more noise."""
        low, high = self.period
        left, right = self.orientation_degrees
        return replace(
            self,
            period=(low * 1.1, high * 1.1),
            orientation_degrees=(left + 8, right + 8),
            contrast=(self.contrast[0] * 0.95, self.contrast[1] * 0.95),
            noise=self.noise * 1.2,
        )


PLAIN = "plain"
"""The style of a set unless another one is named."""
STYLES = {
    style.name: style
    for style in (
        Style(
            name=PLAIN, period=(0.09, 0.13), orientation_degrees=(-20, 20), contrast=(0.45, 0.7),
            background_contrast=(0.1, 0.25), saturation=(0.4, 0.8), hue_shift=0.0, hue_spread=0.12, noise=0.03,
        ),
        Style(
            name="source", period=(0.14, 0.2), orientation_degrees=(-15, 15), contrast=(0.5, 0.8),
            background_contrast=(0.05, 0.15), saturation=(0.5, 0.9), hue_shift=0.0, hue_spread=0.5, noise=0.02,
        ),
        Style(
            name="target", period=(0.06, 0.09), orientation_degrees=(30, 60), contrast=(0.2, 0.4),
            background_contrast=(0.15, 0.3), saturation=(0.0, 0.3), hue_shift=0.5, hue_spread=0.5, noise=0.07,
        ),
    )
}  # fmt: skip
"""`source` and `target` differ in frequency, orientation, contrast, colour and noise, and no colour tells a class."""
