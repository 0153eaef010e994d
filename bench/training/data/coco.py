"""COCO 2017 in its own format: annotations/instances_train2017.json and instances_val2017.json beside the images."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torchvision import tv_tensors
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from bench.training.data.annotation_store import AnnotationStore
from bench.training.data.boxes import BoxFitter, Corners
from bench.training.data.coco_masks import rasterise, segmentation_fault
from bench.training.data.data_set import DataSet, ImageEntry, Sample, boxes_of
from bench.training.data.image_files import ImageSize
from bench.training.data.problems import DataError, read_json, require_folders

_NAMES = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
"""Names by category id; the ids that COCO does not use, and 0, are named otherwise."""
COCO_CATEGORIES = {number: name for number, name in enumerate(_NAMES) if number and name != "N/A"}
"""Category id -> name: 80 of the numbers 1 to 90."""
LEAST_SIDE = 1.0
"""Objects that are narrower or lower than this many pixels are not learned (mmdetection's `CocoDataset`)."""


class CocoData(DataSet):
    """Images with boxes and masks. Crowds are ignored regions.

    Images without an object are left out of training (mmdetection's `filter_empty_gt`) and stay in validation.
    """

    task = "coco"
    classes = tuple(COCO_CATEGORIES.values())

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, part = folder, f"{split}2017"
        require_folders(folder, ("annotations", part), "a folder of COCO 2017")
        path = folder / "annotations" / f"instances_{part}.json"
        content = read_json(path, "COCO's annotations of objects")
        if not isinstance(content, dict):
            raise DataError(f"{path} must hold an object with images, annotations and categories.")
        _check_categories(_records(content, "categories", path), path)
        images = _read_images(_records(content, "images", path), folder / part, path)
        fitter = BoxFitter()
        by_image = _by_image(_records(content, "annotations", path), images, fitter, path)
        self.entries = [entry for number, entry in images.items() if split == "val" or by_image[number]]
        if not self.entries:
            raise DataError(f"{path} has no image{' with an object' if split == 'train' else ''}.")
        existing = {file.name for file in (folder / part).iterdir()}
        for entry in self.entries:
            if entry.file.name not in existing:
                raise DataError(f"{path} annotates an image that does not exist: {entry.file} is expected.")
        self.annotations = AnnotationStore(by_image[entry.image_id] for entry in self.entries)
        self.remarks = fitter.remarks()

    @property
    def category_ids(self) -> Sequence[int]:
        """COCO's own numbers, which have gaps."""
        return tuple(COCO_CATEGORIES)

    def read(self, index: int) -> Sample:
        """Read one image with boxes and masks; see `DataSet.read`. Crowds are in "ignored"."""
        image, size = self.image(index), self.entries[index].size
        boxed = [(annotation, _fitted(annotation, size)) for annotation in self.annotations[index]]
        ignored = [box for annotation, box in boxed if annotation.get("iscrowd")]
        learned = [(annotation, box) for annotation, box in boxed if not annotation.get("iscrowd") and _learned(box)]
        labels = [self.category_ids.index(annotation["category_id"]) for annotation, _ in learned]
        masks = [rasterise(annotation["segmentation"], size) for annotation, _ in learned]
        return {
            "image": image,
            "boxes": boxes_of([box for _, box in learned], size),
            "labels": torch.tensor(labels, dtype=torch.int64),
            "masks": tv_tensors.Mask(torch.stack(masks) if masks else torch.zeros(0, *size, dtype=torch.uint8)),
            "ignored": boxes_of(ignored, size),
        }

    def ground_truth(self) -> dict[str, Any]:
        """The annotations as the file has them, of the images in `entries`; boxes are not cut at the edge."""
        images = [
            {"id": entry.image_id, "file_name": entry.file.name, "height": entry.size[0], "width": entry.size[1]}
            for entry in self.entries
        ]
        annotations = [annotation for index in range(len(self)) for annotation in self.annotations[index]]
        categories = [{"id": number, "name": name} for number, name in COCO_CATEGORIES.items()]
        return {"images": images, "annotations": annotations, "categories": categories}


def _records(content: dict[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    records = content.get(key)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise DataError(f"{path} has no list of objects named {key}.")
    return records


def _field(record: dict[str, Any], key: str, of: str, path: Path) -> Any:
    if key not in record:
        raise DataError(f"{path}: {of} has no {key}.")
    return record[key]


def _check_categories(categories: Iterable[dict[str, Any]], path: Path) -> None:
    for category in categories:
        number, name = _field(category, "id", "a category", path), _field(category, "name", "a category", path)
        if name not in COCO_CATEGORIES.values():
            raise DataError(f"{path} has the unknown class {name!r}; known are COCO's 80, such as person.")
        if COCO_CATEGORIES.get(number) != name:
            raise DataError(f"{path} gives the class {name!r} the id {number}, which is another class of COCO.")


def _read_images(records: Sequence[dict[str, Any]], folder: Path, path: Path) -> dict[Any, ImageEntry]:
    images = {}
    for record in records:
        number = _field(record, "id", "an image", path)
        if number in images:
            raise DataError(f"{path} lists image {number} twice.")
        size = tuple(_field(record, side, f"image {number}", path) for side in ("height", "width"))
        if not all(isinstance(side, int) and side > 0 for side in size):
            raise DataError(f"{path}: height and width of image {number} must be positive whole numbers, got {size}.")
        name = _field(record, "file_name", f"image {number}", path)
        images[number] = ImageEntry(number, folder / name, (size[0], size[1]))
    return images


def _by_image(
    annotations: Sequence[dict[str, Any]], images: dict[Any, ImageEntry], fitter: BoxFitter, path: Path
) -> dict[Any, list[dict[str, Any]]]:
    """Image id -> its annotations whose boxes lie in the image, at least in part."""
    _check_ids(annotations, path)
    found: dict[Any, list[dict[str, Any]]] = {number: [] for number in images}
    for annotation in annotations:
        of = f"annotation {annotation['id']}"
        image = images.get(_field(annotation, "image_id", of, path))
        if image is None:
            raise DataError(f"{path}: {of} is of image {annotation['image_id']}, which the file does not list.")
        if (category := _field(annotation, "category_id", of, path)) not in COCO_CATEGORIES:
            raise DataError(f"{path}: {of} is of the unknown class {category}; known are COCO's 80 of 1 to 90.")
        _check_box(_field(annotation, "bbox", of, path), of, path)
        if fault := segmentation_fault(_field(annotation, "segmentation", of, path), image.size):
            raise DataError(f"{path}: the segmentation of {of} {fault}.")
        if fitter.fit(_corners(annotation["bbox"]), image.size):
            found[image.image_id].append(annotation)
    return found


def _check_ids(annotations: Sequence[dict[str, Any]], path: Path) -> None:
    ids = Counter(_field(annotation, "id", "an annotation", path) for annotation in annotations)
    if twice := [number for number, count in ids.items() if count > 1]:
        raise DataError(f"{path} has annotation {twice[0]} twice.")


def _check_box(box: Any, of: str, path: Path) -> None:
    if not (isinstance(box, list) and len(box) == 4 and all(isinstance(number, int | float) for number in box)):
        raise DataError(f"{path}: bbox of {of} must be four numbers x, y, width and height, got {box!r}.")


def _corners(box: Sequence[float]) -> Corners:
    x, y, width, height = box
    return x, y, x + width, y + height


def _fitted(annotation: dict[str, Any], size: ImageSize) -> Corners:
    box = BoxFitter().fit(_corners(annotation["bbox"]), size)
    assert box, "boxes outside the image were left out when the file was read"
    return box


def _learned(box: Corners) -> bool:
    return box[2] - box[0] >= LEAST_SIDE and box[3] - box[1] >= LEAST_SIDE
