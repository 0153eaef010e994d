from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cases.case import Case
from bench.training.data.data_set import DataSet
from bench.training.data.image_settings import (
    MADE_IMAGE_SETTINGS,
    ImageSettings,
    LabelCropSettings,
    ResizeSettings,
)
from bench.training.data.made.make import make_set
from bench.training.data.open_data import open_data
from bench.training.recipe import Recipe, recipe_for
from bench.training.run import Run

TINY_HEADS = {
    "voc": {"channels": 16, "tower_length": 1},
    "coco": {"channels": 16, "fc_channels": 16, "rois_per_image": 8},
    "ade20k": {"channels": 16, "auxiliary_channels": 8},
}
SMALL = ResizeSettings(short_sides=(64,), long_side=96)
ONE_GPU = {"images_per_gpu": 2, "total_batch": 2}


def _small(task: str) -> ImageSettings:
    """The augmentation of made-up sets at a quarter of their pixels."""
    images = replace(MADE_IMAGE_SETTINGS[task], train=SMALL, test=SMALL)
    return replace(images, label_crop=LabelCropSettings(size=(64, 64))) if images.label_crop else images


@pytest.fixture(scope="session")
def made_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Task -> folder of a made-up set of a few images."""
    folders: dict[str, Path] = {}

    def made(task: str) -> Path:
        if task not in folders:
            folders[task] = tmp_path_factory.mktemp("made") / task
            make_set(task, folders[task], train=8, val=3)
        return folders[task]

    return made


@pytest.fixture
def tiny_run(made_set: Callable[[str], Path]) -> Callable[..., tuple[Run, DataSet]]:
    """A run of a few steps with the narrowest heads on a made-up set, and the set."""

    def tiny(task: str, method: str = "e3va", steps: int = 6, seed: int = 0, **recipe: object) -> tuple[Run, DataSet]:
        data = open_data(task, made_set(task), "train")
        changes = {"head": TINY_HEADS[task], "images": _small(task), **ONE_GPU, **recipe}
        chosen: Recipe = recipe_for(data).changed(steps=steps, **changes)
        case = Case(
            task=task, method=method, backbone="swin_nano", engine="simulate", seed=seed,
            batch_size=chosen.images_per_gpu,
        )  # fmt: skip
        return Run(case, replace(chosen, drop_path=0.2), "", data.made_up, len(data.entries), 1), data

    return tiny
