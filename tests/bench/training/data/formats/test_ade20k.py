from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.training.data.formats.ade20k import Ade20kData
from bench.training.data.formats.ade20k_classes import ADE20K_CLASSES
from bench.training.data.problems import DataError
from tests.bench.training.data.small_sets import Picture, Thing, write_ade20k

PICTURES = [Picture("ADE_train_00000002", (50, 70), [Thing((5, 10, 40, 30))]), Picture("ADE_train_00000001")]
LABELS = "annotations/training/ADE_train_00000002.png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_ade20k(tmp_path / "ADEChallengeData2016", PICTURES, [Picture("ADE_val_00000001")])


def test_other_is_ignored_and_classes_count_from_0(folder: Path) -> None:
    data = Ade20kData(folder.parent, "train")
    assert [(entry.image_id, entry.size) for entry in data.entries] == [
        ("ADE_train_00000001", (60, 80)), ("ADE_train_00000002", (50, 70)),
    ]  # fmt: skip
    sample = data.read(1)
    expected = np.zeros((50, 70), dtype=np.uint8)  # wall
    expected[10:30, 5:40] = ADE20K_CLASSES.index("building")
    expected[0] = 255
    assert np.array_equal(sample["label_map"].numpy(), expected)
    assert tuple(sample["image"].shape) == (3, 50, 70)
    assert [entry.image_id for entry in Ade20kData(folder, "val").entries] == ["ADE_val_00000001"]


def test_all_150_classes_have_their_places() -> None:
    assert len(set(ADE20K_CLASSES)) == len(ADE20K_CLASSES) == 150
    places = {"wall": 1, "tree": 5, "person": 13, "river": 61, "bus": 81, "bicycle": 128, "flag": 150}
    assert {name: ADE20K_CLASSES.index(name) + 1 for name in places} == places


def test_the_largest_label_is_150(folder: Path) -> None:
    values = np.full((50, 70), 150, dtype=np.uint8)
    Image.fromarray(values).save(folder / LABELS)
    assert Ade20kData(folder, "train").read(1)["label_map"].unique().tolist() == [149]
    Image.fromarray(values + 1).save(folder / LABELS)
    with pytest.raises(DataError, match="has the label 151; the largest is 150"):
        Ade20kData(folder, "train").read(1)


def test_ground_truth_has_no_boxes(folder: Path) -> None:
    with pytest.raises(TypeError, match="ade20k has label maps, and no boxes"):
        Ade20kData(folder, "val").ground_truth()


LABEL_DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "size": (lambda path: Image.new("L", (70, 51)).save(path), "is 51 pixels high and 70 wide, but its image is 50"),
    "colours": (lambda path: Image.new("RGB", (70, 50)).save(path), "its pixels are of mode RGB"),
    "16 bits": (lambda path: Image.new("I;16", (70, 50)).save(path), "its pixels are of mode I;16"),
    "text": (lambda path: path.write_text("no image"), "cannot be read as a label map: cannot identify image file"),
    "half": (lambda path: path.write_bytes(path.read_bytes()[:60]), "cannot be read as a label map"),
}


@pytest.mark.parametrize(("damage", "said"), LABEL_DAMAGES.values(), ids=LABEL_DAMAGES)
def test_broken_label_maps_are_named(folder: Path, damage: Callable[[Path], object], said: str) -> None:
    damage(folder / LABELS)
    with pytest.raises(DataError, match=f"ADE_train_00000002.png.*{said}"):
        Ade20kData(folder, "train").read(1)


def test_files_without_partner_are_named(folder: Path) -> None:
    with pytest.raises(DataError, match="is not ADEChallengeData2016 and does not contain it"):
        Ade20kData(folder / "images", "train")
    (folder / LABELS).rename(folder / "kept.png")
    with pytest.raises(DataError, match=f"has no label map: {LABELS} is expected"):
        Ade20kData(folder, "train")
    (folder / "kept.png").rename(folder / LABELS)
    image = folder / "images/training/ADE_train_00000002.jpg"
    image.write_text("no image")
    with pytest.raises(DataError, match="00000002.jpg cannot be read as an image"):
        Ade20kData(folder, "train")
    image.unlink()
    with pytest.raises(DataError, match="has no image: images/training/ADE_train_00000002.jpg is expected"):
        Ade20kData(folder, "train")
    for path in [*(folder / "images/training").iterdir(), *(folder / "annotations/training").iterdir()]:
        path.unlink()
    with pytest.raises(DataError, match=r"has no image \(\*.jpg\)"):
        Ade20kData(folder, "train")
    (folder / "annotations/training").rmdir()
    with pytest.raises(DataError, match="it has no folder annotations/training"):
        Ade20kData(folder, "train")
