"""Made-up images in the format of Pascal VOC's development kit, 2007 and 2012."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from bench.training.data.made.images import Numbers, draw_image, save_jpeg, write_lines
from bench.training.data.made.outlines import extent
from bench.training.data.made.scenes import Scene, SceneObject
from bench.training.data.made.settings import MadeSettings

ROOT = "VOCdevkit"
BODY_PARTS = ("head", "hand", "foot")
"""What VOC2012 marks inside some persons."""


def write_voc(folder: Path, settings: MadeSettings) -> Numbers:
    """Write `VOCdevkit` into a folder: half of the training images as each year's trainval, validation as 2007's test.

    Returns what was written. Raises `OSError`.
    """
    first_half = (settings.train + 1) // 2
    numbers = Numbers()
    lists: dict[tuple[str, str], list[str]] = {}
    for year, split, index, place in _images(settings, first_half):
        scene = draw_image(settings, "val" if split == "test" else "train", index)
        image_id = f"{place:06d}" if year == 2007 else f"2008_{place:06d}"
        base = folder / ROOT / f"VOC{year}"
        save_jpeg(scene.pixels, base / "JPEGImages" / f"{image_id}.jpg")
        annotation = _annotation(scene, year, image_id)
        path = base / "Annotations" / f"{image_id}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ET.tostring(annotation) + b"\n")
        for name in ("test",) if split == "test" else (split, "trainval"):
            lists.setdefault((f"VOC{year}", name), []).append(image_id)
        numbers.add(f"VOC{year} {'test' if split == 'test' else 'trainval'}", len(scene.objects))
    for (year_name, name), ids in lists.items():
        write_lines(folder / ROOT / year_name / "ImageSets" / "Main" / f"{name}.txt", sorted(ids))
    return numbers


def _images(settings: MadeSettings, first_half: int) -> Iterator[tuple[int, str, int, int]]:
    """Year, split, index of the drawing and number in the year's names; train and val alternate, test comes last."""
    for index in range(settings.train):
        year, place = (2007, index) if index < first_half else (2012, index - first_half)
        yield year, ("train", "val")[place % 2], index, place + 1
    for index in range(settings.val):
        yield 2007, "test", index, first_half + index + 1


def _annotation(scene: Scene, year: int, image_id: str) -> ET.Element:
    """The XML of an image, with the elements that the year's files have."""
    height, width = scene.pixels.shape[:2]
    root = ET.Element("annotation")
    _text(root, "folder", f"VOC{year}")
    _text(root, "filename", f"{image_id}.jpg")
    source = ET.SubElement(root, "source")
    _text(source, "database", f"The VOC{year} Database" if year == 2007 else "The VOC2008 Database")
    _text(source, "annotation", f"PASCAL VOC{year}" if year == 2007 else "PASCAL VOC2008")
    _text(source, "image", "made up")
    if year == 2007:
        _text(source, "flickrid", "0")
        owner = ET.SubElement(root, "owner")
        _text(owner, "flickrid", "made up")
        _text(owner, "name", "made up")
    size = ET.SubElement(root, "size")
    for name, value in (("width", width), ("height", height), ("depth", 3)):
        _text(size, name, value)
    _text(root, "segmented", 0)
    for thing in scene.objects:
        root.append(_object(thing, year))
    ET.indent(root, "\t")
    return root


def _object(thing: SceneObject, year: int) -> ET.Element:
    element = ET.Element("object")
    _text(element, "name", thing.made_class.name)
    _text(element, "pose", "Unspecified")
    _text(element, "truncated", int(thing.truncated))
    if year == 2012:
        _text(element, "occluded", int(thing.occluded))
    _text(element, "difficult", int(thing.kind == "difficult"))
    left, top, right, bottom = extent(thing.seen)
    box = left + 1, top + 1, right, bottom  # VOC counts pixels from 1, and names the last one
    _box(element, box)
    if year == 2012 and thing.made_class.name == "person":
        for number, name in enumerate(BODY_PARTS):
            part = ET.SubElement(element, "part")
            _text(part, "name", name)
            _box(part, _third(box, number))
    return element


def _third(box: tuple[int, int, int, int], number: int) -> tuple[int, int, int, int]:
    """The upper, middle or lower third of a box."""
    left, top, right, bottom = box
    step = (bottom - top) // 3
    return left, top + number * step, right, top + (number + 1) * step


def _box(parent: ET.Element, box: tuple[int, int, int, int]) -> None:
    element = ET.SubElement(parent, "bndbox")
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
        _text(element, name, value)


def _text(parent: ET.Element, name: str, value: object) -> None:
    ET.SubElement(parent, name).text = str(value)
