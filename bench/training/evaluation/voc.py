"""Average precision at an IoU of .5 by Pascal VOC's rules."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as mask_api
from numpy.typing import NDArray

from bench.training.evaluation.detections import Detection, GroundTruth, require_fitting

IOU_THRESHOLD = 0.5
RECALL_POINTS = 11
"""Recalls 0, .1, ..., 1, at which VOC 2007 reads the precision."""

Flags = NDArray[np.bool_]


def voc_accuracy(ground_truth: GroundTruth, detections: Sequence[Detection]) -> dict[str, Any]:
    """Return `AP50` by the 11-point rule of VOC 2007, `AP50_area` by that of VOC 2010, and both per class.

    The rule is that of mmdetection's `eval_map` with `dataset="voc07"`, which the authors' configurations use: each
    detection is judged against the object that it overlaps most, whether or not another detection had it before;
    difficult objects neither count, nor does a detection of them. IoU is computed of widths x2 - x1, without the pixel
    that VOC's development kit adds. mmdetection 2.0 to 2.15 do so, among them the release that the authors build on
    (2.11); from 2.16 on it adds the pixel for VOC (its pull request 5627, which names 79.6 instead of 79.5). A recall
    of exactly 3/10 reaches the third point here, which it misses in mmdetection by rounding.

    Args:
        ground_truth: A COCO annotations dictionary; objects with `difficult` or `iscrowd` are difficult.
        detections: COCO's results; images and categories have the ids of the ground truth.

    Returns:
        `AP50` and `AP50_area`, between 0 and 1, and `per_class`: name of the class to the same two, None where the
        class has no object that counts. Such classes are left out of the mean.

    Raises:
        ValueError: There is no object that counts, or a detection is of an unknown image or category.
    """
    require_fitting(ground_truth, detections)
    objects, found = _by_place(ground_truth["annotations"]), _by_place(detections)
    images = [image["id"] for image in ground_truth["images"]]
    per_class: dict[str, dict[str, float] | None] = {}
    for category in ground_truth["categories"]:
        places = [(image, category["id"]) for image in images]
        per_class[category["name"]] = _of_class([(objects.get(at, ()), found.get(at, ())) for at in places])
    counted = [of_class for of_class in per_class.values() if of_class is not None]
    if not counted:
        raise ValueError("the ground truth has no object that counts, so there is no average precision")
    means = {name: float(np.mean([of_class[name] for of_class in counted])) for name in ("AP50", "AP50_area")}
    return {**means, "per_class": per_class}


def _by_place(entries: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, Any], list[Mapping[str, Any]]]:
    """Image and category -> its objects or detections."""
    places = defaultdict(list)
    for entry in entries:
        places[entry["image_id"], entry["category_id"]].append(entry)
    return places


def _of_class(
    images: Iterable[tuple[Sequence[Mapping[str, Any]], Sequence[Detection]]],
) -> dict[str, float] | None:
    """Both average precisions of one class, from its objects and detections per image; None without an object."""
    count = 0
    scores: list[NDArray[np.float64]] = [np.empty(0)]
    hits: list[Flags] = [np.empty(0, bool)]
    for objects, found in images:
        difficult = np.array([_is_difficult(of_one) for of_one in objects], bool)
        count += int((~difficult).sum())
        if found:
            found = sorted(found, key=lambda of_one: -of_one["score"])
            hit, ignored = _judged([of_one["bbox"] for of_one in objects], difficult, [one["bbox"] for one in found])
            scores.append(np.array([of_one["score"] for of_one in found])[~ignored])
            hits.append(hit[~ignored])
    if not count:
        return None
    order = np.argsort(-np.concatenate(scores), kind="stable")
    reached = np.concatenate(hits)[order].cumsum()  # objects found by the first 1, 2, ... detections
    precision = reached / np.arange(1, len(reached) + 1)
    return {"AP50": _at_points(reached, precision, count), "AP50_area": _area(reached, precision, count)}


def _is_difficult(annotation: Mapping[str, Any]) -> bool:
    return bool(annotation.get("difficult", 0) or annotation.get("iscrowd", 0))


def _judged(objects: list[Any], difficult: Flags, boxes: list[Any]) -> tuple[Flags, Flags]:
    """Which of an image's detections, the surest first, are the first of their object, and which do not count."""
    hit, ignored = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool)
    if not objects:
        return hit, ignored
    ious = np.asarray(mask_api.iou(_floats(boxes), _floats(objects), [0] * len(objects)))  # (detections, objects)
    is_taken = np.zeros(len(objects), bool)
    for number, nearest in enumerate(ious.argmax(axis=1)):
        if ious[number, nearest] < IOU_THRESHOLD:
            continue
        ignored[number] = difficult[nearest]
        hit[number] = not is_taken[nearest]
        is_taken[nearest] = True
    return hit, ignored


def _floats(boxes: list[Any]) -> NDArray[np.float64]:
    return np.array(boxes, np.float64).reshape(-1, 4)


def _at_points(reached: NDArray[np.int64], precision: NDArray[np.float64], count: int) -> float:
    """Mean over the points of the best precision at that recall or above."""
    steps = RECALL_POINTS - 1
    # Compared as whole numbers, because .1 x 3 is not .3.
    best = [precision[reached * steps >= point * count].max(initial=0.0) for point in range(RECALL_POINTS)]
    return float(np.mean(best))


def _area(reached: NDArray[np.int64], precision: NDArray[np.float64], count: int) -> float:
    """Area below the curve of the best precision at each recall or above."""
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best * np.diff(reached, prepend=0)).sum() / count)
