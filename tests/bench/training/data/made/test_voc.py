"""Made-up sets in VOC's format, read back by torchvision."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import VOCDetection

from bench.training.data.made import make_set
from bench.training.data.made.images import draw_image
from bench.training.data.made.outlines import Mask
from bench.training.data.made.settings import MadeSettings

TRAIN, VAL = 31, 8
SETTINGS = MadeSettings(task="voc", train=TRAIN, val=VAL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "voc"
    make_set("voc", path, train=TRAIN, val=VAL)
    return path


def corners(mask: Mask) -> dict[str, str]:
    """Extent as VOC writes it, from 1 to the last pixel; Pillow counts from 0 to the one after the last."""
    left, top, right, bottom = Image.fromarray(mask).getbbox()
    return {"xmin": str(left + 1), "ymin": str(top + 1), "xmax": str(right), "ymax": str(bottom)}


@pytest.mark.parametrize(
    ("year", "image_set", "split", "first", "count"),
    [("2007", "trainval", "train", 0, 16), ("2012", "trainval", "train", 16, 15), ("2007", "test", "val", 0, VAL)],
)
def test_torchvision_reads_the_drawn_objects(
    folder: Path, year: str, image_set: str, split: str, first: int, count: int
) -> None:
    read = VOCDetection(folder, year, image_set)
    assert len(read) == count
    for index, (image, tree) in enumerate(read, start=first):
        scene = draw_image(SETTINGS, split, index)
        annotation = tree["annotation"]
        assert annotation["folder"] == f"VOC{year}"
        height, width = scene.pixels.shape[:2]
        assert annotation["size"] == {"width": str(width), "height": str(height), "depth": "3"}
        assert image.size == (width, height)
        assert np.abs(np.asarray(image).astype(float) - scene.pixels).mean() < 8  # what JPEG loses
        assert len(annotation["object"]) == len(scene.objects) > 0
        for element, thing in zip(annotation["object"], scene.objects, strict=True):
            assert element["name"] == thing.made_class.name
            assert element["bndbox"] == corners(thing.seen)
            assert element["difficult"] == str(int(thing.kind == "difficult"))
            assert element["truncated"] in "01"
            assert ("occluded" in element) == (year == "2012")


def test_lists_name_the_files(folder: Path) -> None:
    for year, names in (("VOC2007", ("train", "val", "test")), ("VOC2012", ("train", "val"))):
        base = folder / "VOCdevkit" / year
        lists = {file.stem: file.read_text().split() for file in (base / "ImageSets" / "Main").iterdir()}
        assert sorted(lists) == sorted([*names, "trainval"])
        assert sorted(lists["train"] + lists["val"]) == lists["trainval"]
        everything = sorted(name for part in names for name in lists[part])
        assert sorted(file.stem for file in (base / "JPEGImages").iterdir()) == everything
        assert sorted(file.stem for file in (base / "Annotations").iterdir()) == everything
        assert len(set(everything)) == len(everything)


def test_sizes_and_difficult_objects_vary(folder: Path) -> None:
    read = VOCDetection(folder, "2007", "trainval")
    assert {image.size for image, _ in read} == {(128, 96), (96, 128)}
    flags = [thing["difficult"] for _, tree in read for thing in tree["annotation"]["object"]]
    assert 0 < flags.count("1") < len(flags) / 2


def test_parts_of_persons_lie_inside_them(folder: Path) -> None:
    """A reader that takes every `bndbox` would take those of the parts too, as VOC2012 has them."""
    found = 0
    for _, tree in VOCDetection(folder, "2012", "trainval"):
        for thing in tree["annotation"]["object"]:
            assert ("part" in thing) == (thing["name"] == "person")
            whole = {side: int(value) for side, value in thing["bndbox"].items()}
            for part in thing.get("part", ()):
                box = {side: int(value) for side, value in part["bndbox"].items()}
                assert whole["xmin"] <= box["xmin"] <= box["xmax"] <= whole["xmax"]
                assert whole["ymin"] <= box["ymin"] <= box["ymax"] <= whole["ymax"]
                found += 1
    assert found
