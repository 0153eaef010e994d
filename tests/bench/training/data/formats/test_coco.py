import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from torchvision.datasets import CocoDetection

from bench.training.data.formats.coco import CocoData
from bench.training.data.formats.coco_json import COCO_CATEGORIES
from bench.training.data.open_data import open_data
from bench.training.data.problems import DataError
from tests.bench.training.data.small_sets import Picture, Thing, write_coco

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PICTURES = [
    Picture("b", (60, 80), [Thing((5, 10, 40.5, 30)), Thing((50, 5, 70, 55), "person", (0, 250, 0), crowd=True)]),
    Picture("nothing", (40, 40)),
    Picture("a", (80, 60), [Thing((20, 35, 50, 55), "toothbrush"), Thing((1, 2, 11, 12), "dog", (0, 0, 250))]),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_coco(tmp_path, PICTURES, PICTURES)


def _edit(folder: Path, change: Callable[[dict[str, Any]], Any], part: str = "train2017") -> None:
    path = folder / "annotations" / f"instances_{part}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_images_without_objects_are_left_out_of_training_alone(folder: Path) -> None:
    assert [entry.image_id for entry in CocoData(folder, "train").entries] == [9, 41]
    assert [entry.image_id for entry in CocoData(folder, "val").entries] == [9, 25, 41]
    empty = CocoData(folder, "val").read(1)
    assert [tuple(empty[key].shape) for key in ("boxes", "labels", "masks", "ignored")] == [
        (0, 4), (0,), (0, 40, 40), (0, 4),
    ]  # fmt: skip


def test_objects_are_those_that_torchvision_and_pycocotools_read(folder: Path) -> None:
    data = CocoData(folder, "val")
    theirs = CocoDetection(str(folder / "val2017"), str(folder / "annotations" / "instances_val2017.json"))
    assert len(theirs) == len(data)
    for index, (image, annotations) in enumerate(theirs):
        sample = data.read(index)
        assert (image.height, image.width) == data.entries[index].size
        learned = [item for item in annotations if not item["iscrowd"]]
        boxes = [[x, y, x + width, y + height] for x, y, width, height in (item["bbox"] for item in learned)]
        assert sample["boxes"].tolist() == boxes
        names = [theirs.coco.cats[item["category_id"]]["name"] for item in learned]
        assert [data.classes[label] for label in sample["labels"]] == names
        for mask, item in zip(sample["masks"], learned, strict=True):
            assert np.array_equal(mask.numpy(), theirs.coco.annToMask(item))
        assert sample["masks"].dtype == torch.uint8
    assert data.read(0)["ignored"].tolist() == [[50, 5, 70, 55]]


def test_ground_truth_is_what_the_file_says(folder: Path) -> None:
    data = CocoData(folder, "val")
    content = json.loads((folder / "annotations" / "instances_val2017.json").read_text())
    truth = data.ground_truth()
    assert truth["annotations"] == content["annotations"]
    assert truth["images"] == content["images"]
    assert len(truth["categories"]) == len(data.category_ids) == len(data.classes) == 80
    judge = COCO()
    judge.dataset = truth
    judge.createIndex()
    assert len(judge.getAnnIds(imgIds=[41])) == 2


def test_categories_are_those_of_coco() -> None:
    assert list(COCO_CATEGORIES)[:12] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13]
    assert len(COCO_CATEGORIES) == 80
    assert (COCO_CATEGORIES[18], COCO_CATEGORIES[90]) == ("dog", "toothbrush")


def test_boxes_outside_the_image_are_cut_or_left_out(folder: Path) -> None:
    boxes = [[-5, 10, 20, 100], [0, 0, 80.5, 60], [81, 0, 5, 5], [1, 1, 0, 5], [float("nan"), 0, 5, 5], [3, 3, 0.5, 9]]

    def add(content: dict[str, Any]) -> None:
        like = content["annotations"][0]
        content["annotations"] += [like | {"id": 1000 + number, "bbox": box} for number, box in enumerate(boxes)]

    _edit(folder, add)
    data = open_data("coco", folder, "train")
    assert data.read(0)["boxes"].tolist() == [[5, 10, 40.5, 30], [0, 10, 15, 60], [0, 0, 80, 60]]
    said = " ".join(data.remarks)
    assert "cut there: 1." in said
    assert "left out: 3." in said
    assert [item["bbox"] for item in data.ground_truth()["annotations"][2:5]] == [boxes[0], boxes[1], boxes[5]]


def _annotation(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda content: content["annotations"][0].update(fields)


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no images": (lambda content: content.pop("images"), "no list of objects named images"),
    "images of numbers": (lambda content: content.update(images=[1]), "no list of objects named images"),
    "unknown class": (_annotation(category_id=12), "annotation 3 is of the unknown class 12"),
    "unknown name": (lambda content: content["categories"][0].update(name="teapot"), "unknown class 'teapot'"),
    "another id": (lambda content: content["categories"][0].update(id=2), "gives the class 'person' the id 2"),
    "unlisted image": (_annotation(image_id=10), "annotation 3 is of image 10, which the file does not list"),
    "annotation twice": (lambda content: content["annotations"][1].update(id=3), "has annotation 3 twice"),
    "image twice": (lambda content: content["images"][1].update(id=9), "lists image 9 twice"),
    "no id": (lambda content: content["images"][1].pop("id"), "an image has no id"),
    "text as id": (
        lambda content: content["images"][1].update(id="9"),
        "id of an image must be a whole number, got '9'",
    ),
    "no height": (
        lambda content: content["images"][1].update(height=0),
        "height and width of image 25 must be positive",
    ),
    "no box": (_annotation(bbox=[1, 2, 3]), "bbox of annotation 3 must be four numbers"),
    "no area": (lambda content: content["annotations"][0].pop("area"), "annotation 3 has no area"),
    "crowd of two": (_annotation(iscrowd=2), "iscrowd of annotation 3 must be 0 or 1, got 2"),
    "text as mask": (_annotation(segmentation="x"), "must be a list of polygons, or run lengths"),
    "odd polygon": (_annotation(segmentation=[[1, 2, 3]]), "a polygon that is no list of pairs"),
    "polygon of text": (_annotation(segmentation=[["1", "2"]]), "coordinates that are no numbers"),
    "infinite polygon": (_annotation(segmentation=[[1, 2, 3, 4, 5, float("inf")]]), "coordinates that are no numbers"),
    "short runs": (_annotation(segmentation={"counts": [5, 6], "size": [60, 80]}), "run lengths of 11 pixels"),
    "runs of another size": (_annotation(segmentation={"counts": [4800], "size": [80, 60]}), r"is of size \[80, 60\]"),
    "negative runs": (_annotation(segmentation={"counts": [-1, 4801], "size": [60, 80]}), "has neither run lengths"),
    "nothing": (lambda content: content.update(annotations=[]), "no image with an object"),
}


@pytest.mark.parametrize(("change", "said"), DAMAGES.values(), ids=DAMAGES)
def test_what_is_wrong_is_said(folder: Path, change: Callable[[dict[str, Any]], Any], said: str) -> None:
    _edit(folder, change)
    with pytest.raises(DataError, match=said):
        CocoData(folder, "train")


def test_files_that_are_missing_or_broken_are_named(folder: Path) -> None:
    _edit(folder, _annotation(segmentation={"counts": "abc", "size": [60, 80]}))
    with pytest.raises(DataError, match="segmentation of annotation 3 is broken: RLE string is malformed"):
        CocoData(folder, "train").read(0)
    (folder / "train2017" / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"annotates an image that does not exist: .*a.jpg is expected"):
        CocoData(folder, "train")
    path = folder / "annotations" / "instances_train2017.json"
    path.write_text('{"images": [],\n "annotations" []}')
    with pytest.raises(DataError, match="is not valid JSON: line 2, column 16: Expecting ':' delimiter"):
        CocoData(folder, "train")
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="nested too deeply"):
        CocoData(folder, "train")
    path.write_text("[]")
    with pytest.raises(DataError, match="must hold an object with images"):
        CocoData(folder, "train")
    path.unlink()
    with pytest.raises(DataError, match="instances_train2017.json does not exist"):
        CocoData(folder, "train")


def test_a_wrong_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder of COCO 2017: it has no folder annotations"):
        CocoData(tmp_path, "train")
