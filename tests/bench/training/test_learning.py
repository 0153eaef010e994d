"""The detectors learn what they are shown: a few images of made-up sets, again and again."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.cases.case import Case
from bench.training.accuracy import evaluate
from bench.training.data.data_set import DataSet
from bench.training.data.loading import TrainingBatches
from bench.training.data.made.make import make_set
from bench.training.data.open_data import open_data
from bench.training.loop import LoopOptions, train
from bench.training.processes import Processes
from bench.training.recipe import MADE_RECIPES, Recipe
from bench.training.run import Run, begin_run
from bench.training.watcher import Watcher
from tests.bench.training.data.small_sets import Picture, Thing, write_ade20k

CPU = torch.device("cpu")


def _memorised(task: str, images: int, folder: Path, recipe: Recipe) -> dict[str, float]:
    """Train all of a small model on a few images, and evaluate it on the same images."""
    data = open_data(task, folder / "set", "train")
    data.entries = data.entries[:images]
    case = Case(task=task, method="full", backbone="swin_nano", engine="simulate", batch_size=recipe.images_per_gpu)
    run = Run(case, recipe, "", data.made_up, images, 1)
    begin_run(folder, run, folder / "set")
    batches = TrainingBatches(data, recipe.images, images_per_gpu=recipe.images_per_gpu, seed=0, workers=0)
    train(run, run.build(CPU), folder, batches, LoopOptions(), Processes(CPU), Watcher())
    return evaluate(folder, run, _all_of(data), CPU, 0, lambda done: None, print)["metrics"]


def _all_of(data: DataSet) -> DataSet:
    """Training data as it is evaluated: with the ground truth of the images that were learned."""
    truth = data.ground_truth() if data.task != "ade20k" else {}
    if truth:
        names = {entry.image_id for entry in data.entries}
        truth = {
            **truth,
            "images": [image for image in truth["images"] if image["id"] in names],
            "annotations": [each for each in truth["annotations"] if each["image_id"] in names],
        }
        data.ground_truth = lambda: truth  # type: ignore[method-assign]
    return data


def _recipe(task: str, **changes: object) -> Recipe:
    """The recipe of made-up sets without augmentation but flips, at the images' own size."""
    recipe = MADE_RECIPES[task]
    own_size = replace(recipe.images.test, short_sides=(96,), long_side=128)
    images = replace(recipe.images, train=own_size, test=own_size, range_crop=None, distortion=None)
    return replace(recipe, images=images, weight_decay=0.0).changed(**changes)


def test_retinanet_memorises_boxes(tmp_path: Path) -> None:
    make_set("voc", tmp_path / "set", train=6, val=1)
    recipe = _recipe("voc", steps=100, images_per_gpu=2, total_batch=2, head={"channels": 64, "tower_length": 1})
    assert _memorised("voc", 6, tmp_path, recipe)["AP50"] > 0.8


def _quarters(number: int) -> Picture:
    """A picture of four classes in a quarter each, in another order for each number; one of them is the grey wall."""
    corners = [(0, 0), (48, 0), (0, 48), (48, 48)]
    places = [corners[(number + each) % 4] for each in range(3)]
    colours = [(220, 40, 40), (40, 200, 60), (50, 70, 230)]
    things = [Thing((x, y, x + 48, y + 48), colour=colour) for (x, y), colour in zip(places, colours, strict=True)]
    return Picture(f"quarters_{number}", (96, 96), things)


def test_upernet_memorises_label_maps(tmp_path: Path) -> None:
    head = {"channels": 64, "auxiliary_channels": 32}
    recipe = _recipe("ade20k", steps=60, images_per_gpu=4, total_batch=4, head=head)
    pictures = [_quarters(number) for number in range(4)]
    write_ade20k(tmp_path / "set" / "ADEChallengeData2016", pictures, pictures)
    assert _memorised("ade20k", 4, tmp_path, recipe)["mIoU"] > 0.8


@pytest.mark.nightly
def test_cascade_mask_rcnn_memorises_boxes_and_masks(tmp_path: Path) -> None:
    make_set("coco", tmp_path / "set", train=6, val=1)
    head = {"channels": 32, "fc_channels": 128, "rois_per_image": 64}
    recipe = _recipe("coco", steps=240, images_per_gpu=2, total_batch=2, head=head)
    accuracy = _memorised("coco", 6, tmp_path, recipe)
    assert accuracy["bbox_AP50"] > 0.8
    assert accuracy["segm_AP50"] > 0.7
