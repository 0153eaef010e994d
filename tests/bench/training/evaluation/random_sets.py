"""Random ground truth and detections, with all that evaluators treat apart."""

from typing import Any

import numpy as np
from pycocotools import mask as judges_masks

CATEGORIES = (1, 3, 4, 17, 90)
ABSENT = 90
"""The category without an object."""
HEIGHT, WIDTH = 200, 300


def random_set(seed: int, *, images: int = 14, crowds: bool = True) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Images without objects, without detections and with more than 100; crowds, all sizes, equal scores."""
    draw = np.random.default_rng(seed)
    annotations, detections = [], []
    image_ids = sorted(draw.choice(10_000, images, replace=False).tolist())
    for number, image in enumerate(image_ids):
        objects = [] if number == 0 else [_object(draw, image, crowds) for _ in range(draw.integers(1, 8))]
        annotations += objects
        if number == 1:
            continue
        for _ in range(130 if number == 2 else 8):
            detections.append(_detection(draw, image, _box(draw)))
        for found in objects:
            moved = np.array(found["bbox"]) + draw.normal(0, 2, 4) * (draw.random() < 0.8)
            detections.append(_detection(draw, image, _inside(moved), found["category_id"]))
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    truth = {
        "images": [{"id": image, "height": HEIGHT, "width": WIDTH} for image in image_ids],
        "categories": [{"id": category, "name": f"class {category}"} for category in CATEGORIES],
        "annotations": annotations,
    }
    return truth, detections


def mask_of(box: list[float], corner: float = 0.0) -> np.ndarray:
    """(H, W), filled in the box but for a part of its right lower corner."""
    x, y, w, h = (round(side) for side in box)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    mask[y : y + max(h, 1), x : x + max(w, 1)] = 1
    mask[y + round(h * (1 - corner)) : y + h, x + round(w * (1 - corner)) : x + w] = 0
    return mask


def _object(draw: np.random.Generator, image: int, crowds: bool) -> dict[str, Any]:
    box = _box(draw)
    crowd = int(crowds and draw.random() < 0.15)
    x, y, w, h = box
    outline: Any = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    if crowd:
        outline = {"size": [HEIGHT, WIDTH], "counts": _counts(mask_of(box))}
    return {
        "image_id": image,
        "category_id": int(draw.choice([category for category in CATEGORIES if category != ABSENT])),
        "bbox": box,
        "area": w * h,
        "iscrowd": crowd,
        "segmentation": outline,
    }


def _counts(mask: np.ndarray) -> list[int]:
    """Uncompressed run lengths down the columns, the first of zeros, as COCO's files have for crowds."""
    flat = mask.flatten(order="F")
    edges = np.flatnonzero(np.diff(flat, prepend=0, append=flat[-1] ^ 1))
    return np.diff(edges, prepend=0).tolist()


def _detection(draw: np.random.Generator, image: int, box: list[float], category: int | None = None) -> dict[str, Any]:
    lengths = judges_masks.encode(mask_of(box, corner=float(draw.random() * 0.5)))
    return {
        "image_id": image,
        "category_id": int(draw.choice(CATEGORIES)) if category is None else category,
        "bbox": box,
        "score": round(float(draw.random()), 1),  # so that many are equal
        "segmentation": {"size": [HEIGHT, WIDTH], "counts": lengths["counts"].decode()},
    }


def _box(draw: np.random.Generator) -> list[float]:
    w, h = np.exp(draw.uniform(np.log(8), np.log(150), 2))
    return _inside(np.array([draw.uniform(0, WIDTH - w), draw.uniform(0, HEIGHT - h), w, h]))


def _inside(box: np.ndarray) -> list[float]:
    x, y = np.clip(box[:2], 0, (WIDTH - 2, HEIGHT - 2))
    w, h = np.clip(box[2:], 2, (WIDTH - x, HEIGHT - y))
    return [float(side) for side in (x, y, w, h)]
