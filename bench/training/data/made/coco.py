"""Made-up images in the format of COCO 2017's instances."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench.training.data.made.borders import trace
from bench.training.data.made.coco_categories import COCO_CATEGORIES
from bench.training.data.made.images import Numbers, draw_image, save_jpeg
from bench.training.data.made.outlines import Mask, extent
from bench.training.data.made.scenes import SceneObject
from bench.training.data.made.settings import MadeSettings

INFO = {
    "description": "Made-up images in the format of COCO 2017",
    "url": "",
    "version": "1.0",
    "year": 2017,
    "contributor": "bench make-data",
    "date_created": "2017/09/01",
}
LICENSES = [{"url": "", "id": 1, "name": "made up: no rights are reserved"}]
CATEGORIES = [
    {"supercategory": group, "id": number, "name": name}
    for group, members in COCO_CATEGORIES.items()
    for number, name in members.items()
]
IDS = {str(category["name"]): category["id"] for category in CATEGORIES}
FIRST_VAL_ID = 500_000
"""Numbers of the validation images begin here, so that no name is in both splits."""


def write_coco(folder: Path, settings: MadeSettings) -> Numbers:
    """Write `annotations`, `train2017` and `val2017` into a folder. Returns what was written. Raises `OSError`."""
    numbers = Numbers()
    annotation_id = 0
    for split, count, first_id in (("train", settings.train, 9), ("val", settings.val, FIRST_VAL_ID)):
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index in range(count):
            scene = draw_image(settings, split, index)
            image_id = first_id + 16 * index  # the real numbers have gaps too
            name = f"{image_id:012d}.jpg"
            save_jpeg(scene.pixels, folder / f"{split}2017" / name)
            height, width = scene.pixels.shape[:2]
            images.append(
                {
                    "license": 1,
                    "file_name": name,
                    "coco_url": "",
                    "height": height,
                    "width": width,
                    "date_captured": "2017-09-01 00:00:00",
                    "flickr_url": "",
                    "id": image_id,
                }
            )
            for thing in scene.objects:
                annotation_id += 1
                annotations.append(_annotation(thing, image_id, annotation_id))
            numbers.add(f"{split}2017", len(scene.objects))
        path = folder / "annotations" / f"instances_{split}2017.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = {"info": INFO, "licenses": LICENSES, "images": images}
        path.write_text(json.dumps({**parts, "annotations": annotations, "categories": CATEGORIES}))
    return numbers


def _annotation(thing: SceneObject, image_id: int, annotation_id: int) -> dict[str, Any]:
    crowd = thing.kind == "crowd"
    left, top, right, bottom = extent(thing.seen)
    return {
        "segmentation": run_lengths(thing.seen) if crowd else polygons(thing.seen),
        "area": float(thing.seen.sum()),
        "iscrowd": int(crowd),
        "image_id": image_id,
        "bbox": [float(value) for value in (left, top, right - left, bottom - top)],
        "category_id": IDS[thing.made_class.name],
        "id": annotation_id,
    }


def polygons(mask: Mask) -> list[list[float]]:
    """A mask (H, W) without holes as COCO's polygons: x1, y1, x2, y2, ... of each of its parts, in pixels."""
    return [[float(value) for corner in polygon for value in corner] for polygon in trace(mask)]


def run_lengths(mask: Mask) -> dict[str, Any]:
    """A mask (H, W) as COCO's uncompressed run lengths: pixels outside and inside in turn, column by column."""
    column_by_column = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(column_by_column)) + 1
    ends = [0, *changes.tolist(), column_by_column.size]
    counts = [end - start for start, end in pairwise(ends)]
    if column_by_column[0]:
        counts.insert(0, 0)
    return {"counts": counts, "size": list(mask.shape)}
