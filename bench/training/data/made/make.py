"""Writes a made-up set in the format of a real one, with a note beside it that says so."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.training.data.made.ade20k import ROOT as ADE20K_ROOT
from bench.training.data.made.ade20k import write_ade20k
from bench.training.data.made.classes import BACKGROUNDS, OBJECTS
from bench.training.data.made.coco import write_coco
from bench.training.data.made.images import Numbers
from bench.training.data.made.new_folder import filled_whole
from bench.training.data.made.settings import MadeSettings
from bench.training.data.made.voc import ROOT as VOC_ROOT
from bench.training.data.made.voc import write_voc

NOTE = "made-up.json"
"""File that says of a folder that its images are made up. It is in the set's own folder, and in what contains that."""
WRITERS = {"voc": write_voc, "coco": write_coco, "ade20k": write_ade20k}
ROOTS = {"voc": VOC_ROOT, "coco": "", "ade20k": ADE20K_ROOT}
"""Task -> folder that the real data set unpacks into; "" for COCO, which has none."""


@dataclass(frozen=True)
class MadeSet:
    """What was written."""

    folder: Path
    """Where it is; what `--data` names."""
    numbers: Numbers
    """Images and objects by part of the set."""
    classes: tuple[str, ...]
    """Names of the classes that occur."""


def write_set(settings: MadeSettings, folder: Path) -> MadeSet:
    """Write a made-up set into a folder that is new or empty. The same releases of NumPy and Pillow
    write the same bytes for the same settings.

    Raises `ValueError` for a folder that is not empty or cannot be written to, and `OutputError` if the system refuses
    a write later; nothing is left of the set then.
    """
    task = settings.task
    names = (each.name for each in (*BACKGROUNDS[task], *OBJECTS[task]) if each.name)
    classes = tuple(dict.fromkeys(names))
    note = json.dumps({"made_up": True, **asdict(settings), "classes": classes}, indent=2)
    with filled_whole(folder) as unfinished:
        numbers = WRITERS[task](unfinished, settings)
        for place in {unfinished, unfinished / ROOTS[task]}:
            (place / NOTE).write_text(f"{note}\n")
    return MadeSet(folder, numbers, classes)


def make_set(
    task: str,
    folder: Path,
    *,
    train: int = MadeSettings.train,
    val: int = MadeSettings.val,
    image_size: tuple[int, int] = MadeSettings.image_size,
    seed: int = MadeSettings.seed,
    style: str = MadeSettings.style,
) -> MadeSet:
    """Write a made-up set of `train` and `val` images, as `write_set` does, with the fields of `MadeSettings`."""
    settings = MadeSettings(task=task, train=train, val=val, image_size=image_size, seed=seed, style=style)
    return write_set(settings, folder)
