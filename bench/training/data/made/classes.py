"""The few real classes that a made-up set has, and the shape and texture by which each can be told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MadeClass:
    """A class of a real data set and what its objects look like in a made-up one."""

    name: str
    """The name in the real data set."""
    texture: str
    """One of `textures.KINDS`."""
    hue: float
    """Hue of its colours, in turns, as far as the style follows it."""
    shape: str = ""
    """One of `outlines.SHAPES`; "" for what fills the background."""


OBJECTS: dict[str, tuple[MadeClass, ...]] = {
    "voc": (
        MadeClass("bottle", "stripes", 0.0, "ellipse"),
        MadeClass("car", "checks", 0.6, "rectangle"),
        MadeClass("cat", "dots", 0.12, "triangle"),
        MadeClass("person", "rings", 0.35, "cross"),
    ),
    "coco": (
        MadeClass("person", "rings", 0.35, "cross"),
        MadeClass("car", "checks", 0.6, "rectangle"),
        MadeClass("dog", "dots", 0.12, "triangle"),
        MadeClass("clock", "stripes", 0.85, "disc"),
    ),
    "ade20k": (
        MadeClass("person", "rings", 0.35, "cross"),
        MadeClass("car", "checks", 0.6, "rectangle"),
        MadeClass("flower", "dots", 0.12, "star"),
        MadeClass("ball", "stripes", 0.85, "disc"),
    ),
}
"""Task -> classes of objects."""
BACKGROUNDS: dict[str, tuple[MadeClass, ...]] = {
    "voc": (MadeClass("", "clouds", 0.5), MadeClass("", "grain", 0.1)),
    "coco": (MadeClass("", "clouds", 0.5), MadeClass("", "grain", 0.1)),
    "ade20k": (MadeClass("sky", "clouds", 0.55), MadeClass("wall", "blobs", 0.05), MadeClass("grass", "grain", 0.25)),
}
"""Task -> what fills the background: one of them in detection; in segmentation one of the first two above the last."""
TASKS = tuple(OBJECTS)
