"""A data set as training and evaluation see it: images with their objects or label maps, whatever their format."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors

from bench.training.data.image_files import ImageSize, read_image

MADE_UP_NOTE = "made-up.json"
"""Name of the file that says that a data set was drawn by a program."""
IGNORED_LABEL = 255
"""Value of the pixels of a label map that neither the loss nor the evaluation reads."""

Sample = dict[str, Tensor]
"""One image and what is known about it, under the names that `DataSet.read` describes."""


@dataclass(frozen=True)
class ImageEntry:
    """One image of a data set, before its pixels are read."""

    image_id: int | str
    """Identity in the annotations: COCO counts, the others name."""
    file: Path
    size: ImageSize
    """Height and width in pixels, as the annotations or the header of the file say."""


class DataSet(ABC):
    """One split of one task's data, in the data set's own format."""

    task: str
    """voc, coco or ade20k."""
    folder: Path
    """The data set's own top folder."""
    entries: Sequence[ImageEntry]
    """The images of the split. Those that nothing can be learned from are left out of training."""
    classes: Sequence[str]
    """Names in the order of the labels, which count from 0."""
    remarks: Sequence[str] = ()
    """Sentences about annotations that were corrected or left out."""

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def made_up(self) -> bool:
        """Whether a program drew the images, so that figures must not stand beside those of the real data set."""
        return any((folder / MADE_UP_NOTE).is_file() for folder in (self.folder, self.folder.parent))

    @property
    def category_ids(self) -> Sequence[int]:
        """The numbers that the annotations give to the classes, in the order of the labels."""
        return range(1, len(self.classes) + 1)

    def image(self, index: int) -> tv_tensors.Image:
        """Decode one image to uint8 (3, H, W). Raises `DataError` if the file is broken or of another size."""
        entry = self.entries[index]
        return read_image(entry.file, entry.size)

    @abstractmethod
    def read(self, index: int) -> Sample:
        """Read one image with its annotations. Raises `DataError` if a file is broken.

        Always: "image" uint8 (3, H, W). Detection: "boxes" (G, 4) and "ignored" (I, 4) as `BoundingBoxes` of corners,
        "labels" (G,) int64, and with masks "masks" (G, H, W) as `Mask`. Segmentation: "label_map" (H, W) uint8 as
        `Mask`, 255 where no class is known.
        """

    def ground_truth(self) -> dict[str, Any]:
        """Annotations in COCO's format, against which detections are evaluated. Raises `TypeError` without boxes."""
        raise TypeError(f"{self.task} has label maps, and no boxes to evaluate detections against")


def boxes_of(corners: Sequence[Sequence[float]], size: ImageSize) -> tv_tensors.BoundingBoxes:
    """Boxes (n, 4) of corners x1 y1 x2 y2 in an image of `size`; n may be 0."""
    return tv_tensors.BoundingBoxes(
        torch.tensor(corners, dtype=torch.float32).reshape(-1, 4), format="XYXY", canvas_size=size
    )
