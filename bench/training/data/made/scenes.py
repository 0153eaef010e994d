"""A drawn image with the objects that are seen in it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.training.data.made.borders import is_filled
from bench.training.data.made.classes import BACKGROUNDS, OBJECTS, MadeClass
from bench.training.data.made.outlines import Mask, draw_outline, fill
from bench.training.data.made.styles import Style
from bench.training.data.made.textures import Floats, draw_texture

Kind = Literal["plain", "difficult", "crowd", "unlabelled"]
LEAST_SEEN = 0.55
"""Least part of an object that those in front of it leave visible."""
RADII = {"plain": (0.2, 0.3), "difficult": (0.09, 0.11), "crowd": (0.08, 0.1), "unlabelled": (0.1, 0.14)}
"""Kind of object -> least and greatest radius, as parts of the image's shorter side."""
RARE = {"voc": ("difficult", 0.15), "coco": ("crowd", 0.2), "ade20k": ("unlabelled", 0.2)}
"""Task -> the kind of object that only some images have, and the probability."""
CROWD_MEMBERS = 5
MOST_TRIES = 40
"""Attempts to place an object where it hides no other one too much."""


@dataclass(eq=False)
class SceneObject:
    """An object in an image."""

    made_class: MadeClass
    kind: Kind
    whole: Mask
    """Pixels (H, W) of the image that it would cover alone."""
    seen: Mask
    """Those of them that no object in front of it covers."""
    truncated: bool
    """Whether a part of it is outside the image."""

    @property
    def occluded(self) -> bool:
        """Whether another object covers a part of it."""
        return bool((self.whole & ~self.seen).any())


@dataclass(frozen=True, eq=False)
class Scene:
    """An image and what it shows."""

    pixels: NDArray[np.uint8]
    """Colours (H, W, 3)."""
    objects: tuple[SceneObject, ...]
    """From the hindmost to the foremost."""
    background: tuple[tuple[MadeClass, Mask], ...]
    """Classes of the background and the pixels of each, objects in front of them included."""


def draw_scene(task: str, size: tuple[int, int], style: Style, rng: np.random.Generator) -> Scene:
    """Draw an image of `size` (height, width) in the classes of a task."""
    canvas, background = _draw_background(task, size, style, rng)
    objects: list[SceneObject] = []
    rare, probability = RARE[task]
    if rng.random() < probability:
        _place(rare, task, canvas, objects, style, rng)  # type: ignore[arg-type]
    for _ in range(int(rng.integers(1, 4))):
        _place("plain", task, canvas, objects, style, rng)
    noisy = canvas + rng.standard_normal(canvas.shape, dtype=np.float32) * style.noise
    pixels = (np.clip(noisy, 0, 1) * 255).round().astype(np.uint8)
    return Scene(pixels, tuple(objects), background)


def _draw_background(
    task: str, size: tuple[int, int], style: Style, rng: np.random.Generator
) -> tuple[Floats, tuple[tuple[MadeClass, Mask], ...]]:
    def texture(made_class: MadeClass) -> Floats:
        return draw_texture(made_class.texture, size, made_class.hue, style.background_contrast, style, rng)

    *above, below = BACKGROUNDS[task]
    if task != "ade20k":
        chosen = BACKGROUNDS[task][int(rng.integers(len(BACKGROUNDS[task])))]
        return texture(chosen), ((chosen, np.ones(size, dtype=np.bool_)),)
    upper = above[int(rng.integers(len(above)))]
    rows, columns = np.mgrid[: size[0], : size[1]]
    horizon = size[0] * rng.uniform(0.4, 0.6) + (columns - size[1] / 2) * rng.uniform(-0.15, 0.15)
    under: Mask = rows > horizon
    canvas = np.where(under[..., None], texture(below), texture(upper))
    return canvas, ((upper, ~under), (below, under))


def _place(
    kind: Kind, task: str, canvas: Floats, objects: list[SceneObject], style: Style, rng: np.random.Generator
) -> None:
    """Draw an object in front of all others, unless there is no room for it."""
    size = canvas.shape[0], canvas.shape[1]
    classes = OBJECTS[task]
    made_class = classes[int(rng.integers(len(classes)))]
    for _ in range(MOST_TRIES):
        whole, truncated = _draw_mask(made_class.shape, kind, size, rng)
        seen_now = [other.seen & ~whole for other in objects]
        if whole.any() and is_filled(whole) and all(map(_seen_enough, objects, seen_now)):
            break
    else:
        return
    for other, seen in zip(objects, seen_now, strict=True):
        other.seen = seen
    texture = "clouds" if kind == "unlabelled" else made_class.texture
    contrast = style.background_contrast if kind == "difficult" else style.contrast
    colours = draw_texture(texture, size, made_class.hue, contrast, style, rng)
    canvas[whole] = colours[whole]
    objects.append(SceneObject(made_class, kind, whole, whole.copy(), truncated))


def _seen_enough(before: SceneObject, seen: Mask) -> bool:
    return bool(seen.sum() >= LEAST_SEEN * before.whole.sum()) and is_filled(seen)


def _draw_mask(shape: str, kind: Kind, size: tuple[int, int], rng: np.random.Generator) -> tuple[Mask, bool]:
    """Pixels of a shape, or of several for a crowd, at a random place; and whether the image cuts it."""
    height, width = size
    x, y = rng.uniform(0.12, 0.88) * width, rng.uniform(0.12, 0.88) * height
    mask: Mask = np.zeros(size, dtype=np.bool_)
    cut = False
    for member in range(CROWD_MEMBERS if kind == "crowd" else 1):
        radius = rng.uniform(*RADII[kind]) * min(size)
        shift = rng.uniform(-2.0, 2.0, 2) * radius if member else np.zeros(2)
        outline = draw_outline(shape, (x + shift[0], y + shift[1]), radius, rng)
        mask |= fill(outline, size)
        cut |= bool((outline < 0).any() or (outline > [width - 1, height - 1]).any())
    return mask, cut
