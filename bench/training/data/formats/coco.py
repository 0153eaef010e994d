"""COCO 2017 in its own format: annotations/instances_train2017.json and instances_val2017.json beside the images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors

from bench.training.data.data_set import DataSet, Sample, boxes_of
from bench.training.data.formats.annotation_store import Annotation, AnnotationStore
from bench.training.data.formats.boxes import BoxFitter, Corners
from bench.training.data.formats.coco_json import COCO_CATEGORIES, corners, read_annotated_images
from bench.training.data.formats.coco_masks import rasterise
from bench.training.data.image_files import ImageSize
from bench.training.data.problems import DataError, require_folders

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
        fitter = BoxFitter()
        images = read_annotated_images(path, folder / part, fitter)
        if split == "train":
            images = [image for image in images if image.annotations]
        if not images:
            raise DataError(f"{path} has no image{' with an object' if split == 'train' else ''}.")
        existing = {file.name for file in (folder / part).iterdir()}
        self.entries = [image.entry for image in images]
        for entry in self.entries:
            if entry.file.name not in existing:
                raise DataError(f"{path} annotates an image that does not exist: {entry.file} is expected.")
        self.annotations = AnnotationStore(image.annotations for image in images)
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
        masks = [self._mask(annotation, size) for annotation, _ in learned]
        return {
            "image": image,
            "boxes": boxes_of([box for _, box in learned], size),
            "labels": torch.tensor(labels, dtype=torch.int64),
            "masks": tv_tensors.Mask(torch.stack(masks) if masks else torch.zeros(0, *size, dtype=torch.uint8)),
            "ignored": boxes_of(ignored, size),
        }

    def _mask(self, annotation: Annotation, size: ImageSize) -> Tensor:
        try:
            return rasterise(annotation["segmentation"], size)
        except (RuntimeError, ValueError) as error:  # the mask API finds what is wrong in a string of run lengths
            raise DataError(
                f"{self.folder}: the segmentation of annotation {annotation['id']} is broken: {error}"
            ) from None

    def ground_truth(self) -> dict[str, Any]:
        """The annotations as the file has them, of the images in `entries`; boxes are not cut at the edge."""
        images = [
            {"id": entry.image_id, "file_name": entry.file.name, "height": entry.size[0], "width": entry.size[1]}
            for entry in self.entries
        ]
        annotations = [annotation for index in range(len(self)) for annotation in self.annotations[index]]
        categories = [{"id": number, "name": name} for number, name in COCO_CATEGORIES.items()]
        return {"images": images, "annotations": annotations, "categories": categories}


def _fitted(annotation: Annotation, size: ImageSize) -> Corners:
    box = BoxFitter().fit(corners(annotation["bbox"]), size)
    assert box, "boxes outside the image were left out when the file was read"
    return box


def _learned(box: Corners) -> bool:
    return box[2] - box[0] >= LEAST_SIDE and box[3] - box[1] >= LEAST_SIDE
