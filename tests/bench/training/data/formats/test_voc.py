from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import VOCDetection

from bench.training.data.formats.voc import VOC_CLASSES, VocData
from bench.training.data.open_data import open_data
from bench.training.data.problems import DataError
from tests.bench.training.data.small_sets import Picture, Thing, write_voc

PICTURES = [
    Picture("000005", (60, 80), [Thing((5, 10, 40, 30)), Thing((0, 0, 80, 60), "person", (0, 250, 0), difficult=True)]),
    Picture("000007", (80, 60), [Thing((20, 35, 50, 55), "tvmonitor")]),
    Picture("2008_000008", (50, 70), [Thing((1.5, 2, 69, 49.25), "aeroplane")]),
]


@pytest.fixture
def devkit(tmp_path: Path) -> Path:
    parts = {
        ("VOC2007", "trainval"): PICTURES[:2],
        ("VOC2012", "trainval"): PICTURES[2:],
        ("VOC2007", "test"): [Picture("000001", (40, 40), [Thing((3, 4, 13, 24), "cat")]), Picture("000002")],
    }
    return write_voc(tmp_path / "VOCdevkit", parts)


def test_training_has_both_years_and_evaluation_the_test_of_2007(devkit: Path) -> None:
    assert [entry.image_id for entry in VocData(devkit, "train").entries] == ["000005", "000007", "2008_000008"]
    assert [entry.image_id for entry in VocData(devkit.parent, "val").entries] == ["000001", "000002"]


def test_objects_are_those_that_torchvision_reads(devkit: Path) -> None:
    data = VocData(devkit, "train")
    theirs = VOCDetection(str(devkit.parent), year="2007", image_set="trainval")
    for index, (image, annotation) in enumerate(theirs):
        sample = data.read(index)
        assert (image.height, image.width) == data.entries[index].size == tuple(sample["image"].shape[1:])
        theirs_pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).int()
        assert (sample["image"].int() - theirs_pixels).abs().max() <= 2  # two builds of the same decoder
        boxes, labels, ignored = [], [], []
        for item in annotation["annotation"]["object"]:
            x1, y1, x2, y2 = (float(item["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax"))
            (ignored if item["difficult"] == "1" else boxes).append([x1 - 1, y1 - 1, x2, y2])
            labels += [] if item["difficult"] == "1" else [VOC_CLASSES.index(item["name"])]
        assert sample["boxes"].tolist() == boxes
        assert sample["labels"].tolist() == labels
        assert sample["ignored"].tolist() == ignored


def test_a_box_covers_the_pixels_of_its_object(devkit: Path) -> None:
    sample = VocData(devkit, "train").read(1)
    red = (sample["image"][0] > 200) & (sample["image"][1] < 60)
    ys, xs = red.nonzero(as_tuple=True)
    assert sample["boxes"].tolist() == [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]] == [[20, 35, 50, 55]]


def test_ground_truth_has_every_object_and_marks_the_difficult(devkit: Path) -> None:
    data = VocData(devkit, "train")
    truth = data.ground_truth()
    assert [image["id"] for image in truth["images"]] == ["000005", "000007", "2008_000008"]
    assert [item["bbox"] for item in truth["annotations"]] == [
        [5, 10, 35, 20], [0, 0, 80, 60], [20, 35, 30, 20], [1.5, 2, 67.5, 47.25],
    ]  # fmt: skip
    assert [item["difficult"] for item in truth["annotations"]] == [0, 1, 0, 0]
    assert [item["area"] for item in truth["annotations"]] == [700, 4800, 600, 67.5 * 47.25]
    names = {category["id"]: category["name"] for category in truth["categories"]}
    assert [names[item["category_id"]] for item in truth["annotations"]] == ["dog", "person", "tvmonitor", "aeroplane"]
    assert sorted(names) == list(data.category_ids) == list(range(1, 21))


def test_made_up_sets_say_so(devkit: Path) -> None:
    assert not VocData(devkit, "train").made_up
    (devkit.parent / "made-up.json").write_text("{}")
    assert VocData(devkit, "train").made_up


def test_boxes_outside_the_image_are_cut_or_left_out(devkit: Path) -> None:
    path = devkit / "VOC2007" / "Annotations" / "000007.xml"
    box = (
        "<object><name>cat</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
    )
    added = [
        box.format(-9, 11, 20, 900),
        box.format(61, 1, 70, 9),
        box.format(20, 5, 10, 9),
        box.format("nan", 1, 2, 3),
    ]
    path.write_text(path.read_text().replace("</annotation>", "".join(added) + "</annotation>"))
    data = open_data("voc", devkit, "train")
    assert data.read(1)["boxes"].tolist() == [[20, 35, 50, 55], [0, 10, 20, 80]]
    said = " ".join(data.remarks)
    assert "cut there: 1." in said
    assert "left out: 3." in said


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def damage(devkit: Path) -> None:
        text = (devkit / name).read_text()
        assert old in text
        (devkit / name).write_text(text.replace(old, new, 1))

    return damage


def _empty_lists(devkit: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        (devkit / year / "ImageSets/Main/trainval.txt").write_text("\n")


IMAGE = "VOC2007/JPEGImages/000007.jpg"
XML = "VOC2007/Annotations/000007.xml"
LIST = "VOC2007/ImageSets/Main/trainval.txt"
DAMAGES = {
    "no image": (lambda devkit: (devkit / IMAGE).unlink(), "JPEGImages/000007.jpg is expected"),
    "no annotation": (lambda devkit: (devkit / XML).unlink(), "000007.xml does not exist"),
    "no list": (lambda devkit: (devkit / LIST).unlink(), "trainval.txt does not exist"),
    "unknown class": (_replace(XML, "tvmonitor", "teapot"), "unknown class 'teapot'"),
    "broken XML": (_replace(XML, "</object>", ""), "000007.xml is not valid XML: line 5, column 3: mismatched tag"),
    "no number": (_replace(XML, "<xmin>21", "<xmin>left"), "bndbox/xmin must be a number, got 'left'"),
    "no size": (_replace(XML, "<width>60</width>", ""), "size/width must be a number, got None"),
    "no pixels": (_replace(XML, "<width>60</width>", "<width>0</width>"), "must be a positive whole number, got 0"),
    "twice": (_replace(LIST, "000007", "000005"), "000005 is listed twice"),
    "empty": (_empty_lists, "has no image with an object for the split train"),
    "a year": (lambda devkit: (devkit / "VOC2012").rename(devkit / "VOC2013"), "no folder VOC2012"),
    "a folder": (lambda devkit: (devkit / "VOC2007/JPEGImages").rename(devkit / "Images"), "no folder JPEGImages"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES)
def test_what_is_wrong_is_said(devkit: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(devkit)
    with pytest.raises(DataError, match=said.replace("(", r"\(")):
        VocData(devkit, "train")


def test_a_wrong_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not VOCdevkit and does not contain it"):
        open_data("voc", tmp_path, "train")
    with pytest.raises(DataError, match="is not a folder"):
        open_data("voc", tmp_path / "none", "train")
    with pytest.raises(ValueError, match="split must be one of train, val, got 'test'"):
        open_data("voc", tmp_path, "test")
    with pytest.raises(ValueError, match="task must be one of voc, coco, ade20k, got 'lvis'"):
        open_data("lvis", tmp_path, "val")


def test_broken_images_are_named(devkit: Path) -> None:
    path = devkit / "VOC2007" / "JPEGImages" / "000007.jpg"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    data = VocData(devkit, "train")
    with pytest.raises(DataError, match=r"000007.jpg cannot be read as an image: .*truncated"):
        data.read(1)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"000007.jpg cannot be read as an image"):
        data.read(1)
    Picture("000007", (80, 61)).save(path)
    with pytest.raises(DataError, match="is 80 pixels high and 61 wide, but its annotation says 80 pixels high and 60"):
        data.read(1)
