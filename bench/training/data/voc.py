"""Pascal VOC in its own format: VOCdevkit with the years 2007 and 2012.

Training uses trainval of both years (07+12), evaluation the test part of 2007, as the authors' configuration does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import torch
from torchvision.models.segmentation import FCN_ResNet50_Weights

from bench.training.data.boxes import BoxFitter, Corners
from bench.training.data.data_set import DataSet, ImageEntry, Sample, boxes_of
from bench.training.data.image_files import ImageSize
from bench.training.data.problems import DataError, read_text, read_xml, require_folders

VOC_CLASSES = tuple(FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1.meta["categories"][1:])
"""The 20 classes in alphabetical order, as everyone numbers them; torchvision's list begins with the background."""
PARTS = {"train": (("VOC2007", "trainval"), ("VOC2012", "trainval")), "val": (("VOC2007", "test"),)}
"""Split -> the years and image lists that it consists of."""


@dataclass(frozen=True)
class VocObject:
    """One object of an annotation."""

    label: int
    box: Corners
    difficult: bool
    """Neither learned nor counted by the evaluation."""


class VocData(DataSet):
    """Images of VOCdevkit with boxes.

    The corners in the files are pixels, counted from 1, that belong to the object. A box here covers xmin - 1 to xmax
    and ymin - 1 to ymax, so that its width is that of the development kit's evaluation (xmax - xmin + 1); detectron2
    reads them so too. mmdetection subtracts 1 from all four, which loses a row and a column of pixels.
    """

    task = "voc"
    classes = VOC_CLASSES

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = _devkit(folder)
        fitter = BoxFitter()
        self.entries: list[ImageEntry] = []
        self.objects: list[tuple[VocObject, ...]] = []
        seen: set[str] = set()
        for year, part in PARTS[split]:
            for image_id in _image_list(self.folder, year, part):
                if image_id in seen:
                    raise DataError(f"Image {image_id} is listed twice in {year}/ImageSets/Main/{part}.txt.")
                seen.add(image_id)
                entry, objects = _read_annotation(self.folder / year, image_id, fitter)
                if split == "val" or objects:
                    self.entries.append(entry)
                    self.objects.append(objects)
        if not self.entries:
            raise DataError(f"{self.folder} has no image with an object for the split {split}.")
        self.remarks = fitter.remarks()

    def read(self, index: int) -> Sample:
        """Read one image and its boxes; see `DataSet.read`. Difficult objects are in "ignored"."""
        image, objects = self.image(index), self.objects[index]
        learned = [item for item in objects if not item.difficult]
        size = self.entries[index].size
        return {
            "image": image,
            "boxes": boxes_of([item.box for item in learned], size),
            "labels": torch.tensor([item.label for item in learned], dtype=torch.int64),
            "ignored": boxes_of([item.box for item in objects if item.difficult], size),
        }

    def ground_truth(self) -> dict[str, Any]:
        """Annotations in COCO's format, with the key "difficult" (0 or 1) beside COCO's own."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for entry, objects in zip(self.entries, self.objects, strict=True):
            height, width = entry.size
            images.append({"id": entry.image_id, "file_name": entry.file.name, "height": height, "width": width})
            for item in objects:
                x1, y1, x2, y2 = item.box
                annotations.append({
                    "id": len(annotations) + 1,
                    "image_id": entry.image_id,
                    "category_id": self.category_ids[item.label],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                    "difficult": int(item.difficult),
                })  # fmt: skip
        categories = [{"id": number, "name": name} for number, name in zip(self.category_ids, VOC_CLASSES, strict=True)]
        return {"images": images, "annotations": annotations, "categories": categories}


def _devkit(folder: Path) -> Path:
    for root in (folder, folder / "VOCdevkit"):
        if (root / "VOC2007").is_dir():
            return root
    raise DataError(f"{folder} is not VOCdevkit and does not contain it: it has no folder VOC2007.")


def _image_list(devkit: Path, year: str, part: str) -> Sequence[str]:
    require_folders(devkit, (year,), "a complete VOCdevkit")
    require_folders(devkit / year, ("Annotations", "ImageSets/Main", "JPEGImages"), "a year of VOCdevkit")
    lines = read_text(devkit / year / "ImageSets" / "Main" / f"{part}.txt", "the list of image names").split("\n")
    return [line.split()[0] for line in lines if line.strip()]


def _read_annotation(year: Path, image_id: str, fitter: BoxFitter) -> tuple[ImageEntry, tuple[VocObject, ...]]:
    path, image = year / "Annotations" / f"{image_id}.xml", year / "JPEGImages" / f"{image_id}.jpg"
    root = read_xml(path, f"the annotation of image {image_id}")
    if not image.is_file():
        raise DataError(f"{path} annotates an image that does not exist: {image} is expected.")
    size = _pixels(root, "size/height", path), _pixels(root, "size/width", path)
    objects = tuple(item for node in root.findall("object") if (item := _object(node, path, size, fitter)))
    return ImageEntry(image_id, image, size), objects


def _object(node: Element, path: Path, size: ImageSize, fitter: BoxFitter) -> VocObject | None:
    name = (node.findtext("name") or "").strip()
    if name not in VOC_CLASSES:
        raise DataError(f"{path} has an object of the unknown class {name!r}; known are {', '.join(VOC_CLASSES)}.")
    xmin, ymin, xmax, ymax = (_number(node, f"bndbox/{side}", path) for side in ("xmin", "ymin", "xmax", "ymax"))
    box = fitter.fit((xmin - 1, ymin - 1, xmax, ymax), size)
    difficult = (node.findtext("difficult") or "0").strip() == "1"
    return VocObject(VOC_CLASSES.index(name), box, difficult) if box else None


def _pixels(node: Element, name: str, path: Path) -> int:
    number = _number(node, name, path)
    if not (number.is_integer() and number > 0):
        raise DataError(f"{path}: {name} must be a positive whole number, got {number:g}.")
    return int(number)


def _number(node: Element, name: str, path: Path) -> float:
    text = node.findtext(name)
    try:
        return float(text or "")
    except ValueError:
        raise DataError(f"{path}: {name} must be a number, got {text!r}.") from None
