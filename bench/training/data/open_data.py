"""Opens a data set in its own format."""

from collections.abc import Callable
from pathlib import Path

from bench.training.data.data_set import DataSet
from bench.training.data.formats.ade20k import Ade20kData
from bench.training.data.formats.coco import CocoData
from bench.training.data.formats.voc import VocData
from bench.training.data.problems import DataError

READERS: dict[str, Callable[[Path, str], DataSet]] = {"voc": VocData, "coco": CocoData, "ade20k": Ade20kData}
"""Task -> the reader of its data set."""
SPLITS = ("train", "val")


def open_data(task: str, folder: Path, split: str) -> DataSet:
    """Open one split of a task's data set; its `remarks` say which annotations were corrected.

    `folder` is VOCdevkit or contains it (voc); contains annotations, train2017 and val2017 (coco); is
    ADEChallengeData2016 or contains it (ade20k). `split` is "train" or "val", which is test of 2007 for voc. Reads the
    annotations, and no pixels. Raises `DataError` for anything that is not as the format says.
    """
    if task not in READERS:
        raise ValueError(f"task must be one of {', '.join(READERS)}, got {task!r}")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder.")
    return READERS[task](folder, split)
