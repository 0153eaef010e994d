"""COCO's JSON file of objects, checked: images with their annotations."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from bench.training.data.data_set import ImageEntry
from bench.training.data.formats.annotation_store import Annotation
from bench.training.data.formats.boxes import BoxFitter, Corners
from bench.training.data.formats.coco_masks import segmentation_fault
from bench.training.data.image_files import ImageSize
from bench.training.data.problems import DataError, read_json

_NAMES = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
"""Names by category id; the ids that COCO does not use, and 0, are named otherwise."""
COCO_CATEGORIES = {number: name for number, name in enumerate(_NAMES) if number and name != "N/A"}
"""Category id -> name: 80 of the numbers 1 to 90."""


@dataclass(frozen=True)
class AnnotatedImage:
    """One image and the annotations whose boxes lie in it, at least in part."""

    entry: ImageEntry
    annotations: list[Annotation]
    """As the file has them."""


def read_annotated_images(path: Path, folder: Path, fitter: BoxFitter) -> Sequence[AnnotatedImage]:
    """Read the images of a JSON file, which lie in `folder`, in the order of the file.

    `fitter` counts the boxes that reach over the edge, and those that are left out. Raises `DataError` for anything
    that COCO's format does not have.
    """
    content = read_json(path, "COCO's annotations of objects")
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold an object with images, annotations and categories.")
    _check_categories(_records(content, "categories", path), path)
    images = _read_images(_records(content, "images", path), folder, path)
    annotations = _records(content, "annotations", path)
    _check_ids(annotations, path)
    for annotation in annotations:
        of = f"annotation {annotation['id']}"
        image = images.get(_number(annotation, "image_id", of, path))
        if image is None:
            raise DataError(f"{path}: {of} is of image {annotation['image_id']}, which the file does not list.")
        _check_annotation(annotation, image.entry.size, of, path)
        if fitter.fit(corners(annotation["bbox"]), image.entry.size):
            image.annotations.append(annotation)
    return list(images.values())


def corners(box: Sequence[float]) -> Corners:
    """Corners of a box that is given as x, y, width and height."""
    x, y, width, height = box
    return x, y, x + width, y + height


def _records(content: dict[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    records = content.get(key)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise DataError(f"{path} has no list of objects named {key}.")
    return records


def _field(record: dict[str, Any], key: str, of: str, path: Path) -> Any:
    if key not in record:
        raise DataError(f"{path}: {of} has no {key}.")
    return record[key]


def _number(record: dict[str, Any], key: str, of: str, path: Path) -> int:
    number = _field(record, key, of, path)
    if not isinstance(number, int):
        raise DataError(f"{path}: {key} of {of} must be a whole number, got {number!r}.")
    return number


def _check_categories(categories: Iterable[dict[str, Any]], path: Path) -> None:
    for category in categories:
        number, name = _number(category, "id", "a category", path), _field(category, "name", "a category", path)
        if name not in COCO_CATEGORIES.values():
            raise DataError(f"{path} has the unknown class {name!r}; known are COCO's 80, such as person.")
        if COCO_CATEGORIES.get(number) != name:
            raise DataError(f"{path} gives the class {name!r} the id {number}, which is another class of COCO.")


def _read_images(records: Sequence[dict[str, Any]], folder: Path, path: Path) -> dict[int, AnnotatedImage]:
    images: dict[int, AnnotatedImage] = {}
    for record in records:
        number = _number(record, "id", "an image", path)
        if number in images:
            raise DataError(f"{path} lists image {number} twice.")
        height, width = (_number(record, side, f"image {number}", path) for side in ("height", "width"))
        if min(height, width) < 1:
            raise DataError(f"{path}: height and width of image {number} must be positive, got {height} and {width}.")
        name = _field(record, "file_name", f"image {number}", path)
        images[number] = AnnotatedImage(ImageEntry(number, folder / str(name), (height, width)), [])
    return images


def _check_ids(annotations: Sequence[dict[str, Any]], path: Path) -> None:
    ids = Counter(_number(annotation, "id", "an annotation", path) for annotation in annotations)
    if twice := [number for number, count in ids.items() if count > 1]:
        raise DataError(f"{path} has annotation {twice[0]} twice.")


def _check_annotation(annotation: Annotation, size: ImageSize, of: str, path: Path) -> None:
    if (category := _number(annotation, "category_id", of, path)) not in COCO_CATEGORIES:
        raise DataError(f"{path}: {of} is of the unknown class {category}; known are COCO's 80 of 1 to 90.")
    if _number(annotation, "iscrowd", of, path) not in (0, 1):
        raise DataError(f"{path}: iscrowd of {of} must be 0 or 1, got {annotation['iscrowd']}.")
    if not isinstance(_field(annotation, "area", of, path), int | float):
        raise DataError(f"{path}: area of {of} must be a number, got {annotation['area']!r}.")
    box = _field(annotation, "bbox", of, path)
    if not (isinstance(box, list) and len(box) == 4 and all(isinstance(number, int | float) for number in box)):
        raise DataError(f"{path}: bbox of {of} must be four numbers x, y, width and height, got {box!r}.")
    if fault := segmentation_fault(_field(annotation, "segmentation", of, path), size):
        raise DataError(f"{path}: the segmentation of {of} {fault}.")
