"""Made-up sets in ADE20K's format, read back by Pillow."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.training.data.formats.ade20k_classes import ADE20K_CLASSES
from bench.training.data.made import make_set
from bench.training.data.made.ade20k import label_map
from bench.training.data.made.images import draw_image
from bench.training.data.made.settings import MadeSettings

TRAIN, VAL = 24, 6
SETTINGS = MadeSettings(task="ade20k", train=TRAIN, val=VAL)
OF_THE_SET = {1: "wall", 3: "sky", 10: "grass", 13: "person", 21: "car", 67: "flower", 120: "ball"}
"""Values that `objectInfo150.txt` of the real download has for these classes."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "ade20k"
    make_set("ade20k", path, train=TRAIN, val=VAL)
    return path / "ADEChallengeData2016"


@pytest.mark.parametrize(("part", "split", "count"), [("training", "train", TRAIN), ("validation", "val", VAL)])
def test_pillow_reads_the_drawn_labels(root: Path, part: str, split: str, count: int) -> None:
    images = sorted((root / "images" / part).iterdir())
    assert [file.name for file in images] == [f"ADE_{split}_{number:08d}.jpg" for number in range(1, count + 1)]
    for index, file in enumerate(images):
        scene = draw_image(SETTINGS, split, index)
        with Image.open(root / "annotations" / part / f"{file.stem}.png") as labels, Image.open(file) as image:
            assert labels.mode == "L"
            assert labels.size == image.size
            values = np.asarray(labels)
            assert np.abs(np.asarray(image).astype(float) - scene.pixels).mean() < 8  # what JPEG loses
        for thing in scene.objects:
            expected = "unlabelled" if thing.kind == "unlabelled" else thing.made_class.name
            assert {OF_THE_SET.get(value, "unlabelled") for value in values[thing.seen].tolist()} == {expected}
        behind = ~np.logical_or.reduce([thing.whole for thing in scene.objects])
        for made_class, mask in scene.background:
            assert {OF_THE_SET[value] for value in values[mask & behind].tolist()} <= {made_class.name}


def test_all_classes_and_pixels_without_label_occur(root: Path) -> None:
    found = {value for file in (root / "annotations").rglob("*.png") for value in np.asarray(Image.open(file)).flat}
    assert found == {0, *OF_THE_SET}


def test_lists_beside_the_images(root: Path) -> None:
    scenes = [line.split(" ") for line in (root / "sceneCategories.txt").read_text().splitlines()]
    assert [name for name, _ in scenes] == [file.stem for file in sorted((root / "images").rglob("*.jpg"))]
    header, *rows = [line.split("\t") for line in (root / "objectInfo150.txt").read_text().splitlines()]
    assert header == ["Idx", "Ratio", "Train", "Val", "Stuff", "Name"]
    assert [int(row[0]) for row in rows] == list(range(1, 151))
    assert [row[5] for row in rows] == list(ADE20K_CLASSES)
    with_ball = [(label_map(draw_image(SETTINGS, "train", index)) == 120).any() for index in range(TRAIN)]
    assert int(rows[119][2]) == sum(with_ball)


def test_names_are_those_of_the_values() -> None:
    assert len(set(ADE20K_CLASSES)) == 150
    assert {value: ADE20K_CLASSES[value - 1] for value in OF_THE_SET} == OF_THE_SET
