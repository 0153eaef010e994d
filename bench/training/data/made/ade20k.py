"""Made-up images in the format of ADE20K's scene parsing (`ADEChallengeData2016`)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.training.data.formats.ade20k_classes import ADE20K_CLASSES
from bench.training.data.made.images import Numbers, draw_image, save_jpeg, save_png, write_lines
from bench.training.data.made.scenes import Scene
from bench.training.data.made.settings import MadeSettings

ROOT = "ADEChallengeData2016"
VALUES = {name: number for number, name in enumerate(ADE20K_CLASSES, start=1)}
"""Name -> value in the label maps, where 0 is what has no label."""
SCENE_OF = {"sky": "field/cultivated", "wall": "living_room"}
"""Class of the upper background -> category of the scene."""


def write_ade20k(folder: Path, settings: MadeSettings) -> Numbers:
    """Write `ADEChallengeData2016` into a folder. Returns what was written. Raises `OSError`."""
    root = folder / ROOT
    numbers = Numbers()
    scenes: list[str] = []
    pixels = np.zeros(len(ADE20K_CLASSES) + 1)
    images_with: dict[str, NDArray[np.int64]] = {}
    for split, count, part in (("train", settings.train, "training"), ("val", settings.val, "validation")):
        images_with[split] = np.zeros(len(ADE20K_CLASSES) + 1, dtype=np.int64)
        for index in range(count):
            scene = draw_image(settings, split, index)
            name = f"ADE_{split}_{index + 1:08d}"
            labels = label_map(scene)
            save_jpeg(scene.pixels, root / "images" / part / f"{name}.jpg")
            save_png(labels, root / "annotations" / part / f"{name}.png")
            scenes.append(f"{name} {SCENE_OF[scene.background[0][0].name]}")
            counts = np.bincount(labels.ravel(), minlength=len(ADE20K_CLASSES) + 1)
            pixels += counts
            images_with[split] += counts > 0
            numbers.add(part, len(scene.objects))
    write_lines(root / "sceneCategories.txt", scenes)
    ratios = pixels / pixels.sum()
    rows = ["Idx\tRatio\tTrain\tVal\tStuff\tName"]
    for name, value in VALUES.items():
        seen = (images_with[split][value] for split in ("train", "val"))
        stuff = int(name in ("sky", "wall", "grass"))
        rows.append("\t".join([str(value), f"{ratios[value]:.4f}", *map(str, seen), str(stuff), name]))
    write_lines(root / "objectInfo150.txt", rows)
    return numbers


def label_map(scene: Scene) -> NDArray[np.uint8]:
    """The class of each pixel (H, W), 1 to 150, and 0 where there is an object without label."""
    labels = np.zeros(scene.pixels.shape[:2], dtype=np.uint8)
    for made_class, mask in scene.background:
        labels[mask] = VALUES[made_class.name]
    for thing in scene.objects:
        labels[thing.whole] = 0 if thing.kind == "unlabelled" else VALUES[thing.made_class.name]
    return labels
