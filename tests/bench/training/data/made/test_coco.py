"""Made-up sets in COCO's format, read back by pycocotools and torchvision."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from torchvision.datasets import CocoDetection

from bench.training.data.made import make_set
from bench.training.data.made.coco import CATEGORIES, run_lengths
from bench.training.data.made.images import draw_image
from bench.training.data.made.settings import MadeSettings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
TRAIN, VAL = 30, 8
SETTINGS = MadeSettings(task="coco", train=TRAIN, val=VAL)
IDS_WITHOUT_CATEGORY = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "coco"
    make_set("coco", path, train=TRAIN, val=VAL)
    return path


@pytest.mark.parametrize(("split", "count"), [("train", TRAIN), ("val", VAL)])
def test_pycocotools_decodes_the_drawn_masks(folder: Path, split: str, count: int, capsys) -> None:
    read = CocoDetection(folder / f"{split}2017", folder / "annotations" / f"instances_{split}2017.json")
    assert len(read) == count
    names = {number: category["name"] for number, category in read.coco.cats.items()}
    for index, (image, annotations) in enumerate(read):
        scene = draw_image(SETTINGS, split, index)
        assert np.abs(np.asarray(image).astype(float) - scene.pixels).mean() < 8  # what JPEG loses
        assert len(annotations) == len(scene.objects) > 0
        for annotation, thing in zip(annotations, scene.objects, strict=True):
            assert names[annotation["category_id"]] == thing.made_class.name
            assert annotation["iscrowd"] == (thing.kind == "crowd")
            assert (read.coco.annToMask(annotation) == thing.seen).all()
            encoded = coco_mask.encode(np.asfortranarray(thing.seen.astype(np.uint8)))
            assert annotation["area"] == coco_mask.area(encoded)
            assert annotation["bbox"] == coco_mask.toBbox(encoded).tolist()


def test_files_have_the_parts_and_names_of_coco(folder: Path) -> None:
    for split in ("train", "val"):
        content = json.loads((folder / "annotations" / f"instances_{split}2017.json").read_text())
        assert list(content) == ["info", "licenses", "images", "annotations", "categories"]
        images = {image["id"]: image for image in content["images"]}
        assert all(image["file_name"] == f"{number:012d}.jpg" for number, image in images.items())
        assert sorted(file.name for file in (folder / f"{split}2017").iterdir()) == sorted(
            image["file_name"] for image in images.values()
        )
        ids = [annotation["id"] for annotation in content["annotations"]]
        assert len(set(ids)) == len(ids)
        assert {annotation["image_id"] for annotation in content["annotations"]} <= images.keys()
        crowds = [annotation for annotation in content["annotations"] if annotation["iscrowd"]]
        if split == "train":
            assert 0 < len(crowds) < len(images) / 2
        assert all(isinstance(crowd["segmentation"]["counts"], list) for crowd in crowds)


def test_categories_have_the_real_ids() -> None:
    assert len(CATEGORIES) == 80
    assert [category["id"] for category in CATEGORIES] == sorted(set(range(1, 91)) - IDS_WITHOUT_CATEGORY)
    assert len({category["name"] for category in CATEGORIES}) == 80


def test_run_lengths_of_a_small_mask() -> None:
    mask = np.array([[1, 0, 1], [1, 1, 0]], dtype=bool)  # by columns: 1 1, 0 1, 1 0
    assert run_lengths(mask) == {"counts": [0, 2, 1, 2, 1], "size": [2, 3]}
    assert run_lengths(~mask) == {"counts": [2, 1, 2, 1], "size": [2, 3]}
