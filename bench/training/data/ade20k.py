"""ADE20K's scene parsing benchmark in its own format: ADEChallengeData2016."""

from pathlib import Path

from torchvision import tv_tensors

from bench.training.data.ade20k_classes import ADE20K_CLASSES
from bench.training.data.data_set import DataSet, ImageEntry, Sample
from bench.training.data.image_files import read_label_values, size_in_header
from bench.training.data.problems import DataError, require_folders

FOLDERS = {"train": "training", "val": "validation"}


class Ade20kData(DataSet):
    """Images with label maps.

    The PNG files hold 0 for everything outside the 150 classes, which are numbered from 1. Here classes count from 0,
    and 255 marks pixels that are not learned (mmsegmentation's `reduce_zero_label`).
    """

    task = "ade20k"
    classes = ADE20K_CLASSES

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, part = _top_folder(folder), FOLDERS[split]
        needed = (f"images/{part}", f"annotations/{part}")
        require_folders(self.folder, needed, "ADE20K's scene parsing benchmark")
        images = {path.stem: path for path in sorted((self.folder / needed[0]).glob("*.jpg"))}
        self.label_files = {path.stem: path for path in (self.folder / needed[1]).glob("*.png")}
        if alone := sorted(images.keys() - self.label_files.keys()):
            raise DataError(f"{images[alone[0]]} has no label map: {needed[1]}/{alone[0]}.png is expected.")
        if alone := sorted(self.label_files.keys() - images.keys()):
            raise DataError(f"{self.label_files[alone[0]]} has no image: {needed[0]}/{alone[0]}.jpg is expected.")
        if not images:
            raise DataError(f"{self.folder / needed[0]} has no image (*.jpg).")
        self.entries = [ImageEntry(stem, path, size_in_header(path)) for stem, path in images.items()]

    def read(self, index: int) -> Sample:
        """Read one image and its label map; see `DataSet.read`."""
        entry = self.entries[index]
        path = self.label_files[str(entry.image_id)]
        values = read_label_values(path, entry.size)  # (H, W)
        if (largest := int(values.max())) > len(ADE20K_CLASSES):
            raise DataError(f"{path} has the label {largest}; the largest is {len(ADE20K_CLASSES)}.")
        label_map = values - 1  # 0 wraps around to 255
        return {"image": self.image(index), "label_map": tv_tensors.Mask(label_map)}


def _top_folder(folder: Path) -> Path:
    for root in (folder, folder / "ADEChallengeData2016"):
        if (root / "images").is_dir() and (root / "annotations").is_dir():
            return root
    raise DataError(
        f"{folder} is not ADEChallengeData2016 and does not contain it: it has no folders images and annotations."
    )
