"""Small data sets in their real formats, written to disk. Every object is a rectangle of a colour of its own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

Size = tuple[int, int]
GREY = (100, 100, 100)


@dataclass
class Thing:
    """One object: a filled rectangle over the pixels x1..x2-1 and y1..y2-1."""

    box: tuple[float, float, float, float]
    name: str = "dog"
    colour: tuple[int, int, int] = (250, 10, 10)
    difficult: bool = False
    crowd: bool = False


@dataclass
class Picture:
    """One image of a small set."""

    name: str
    size: Size = (60, 80)
    things: Sequence[Thing] = field(default_factory=list)

    def draw(self) -> Image.Image:
        image = Image.new("RGB", (self.size[1], self.size[0]), GREY)
        for thing in self.things:
            x1, y1, x2, y2 = thing.box
            ImageDraw.Draw(image).rectangle((x1, y1, x2 - 1, y2 - 1), fill=thing.colour)
        return image

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.draw().save(path, quality=98, subsampling=0)


def write_voc(devkit: Path, parts: dict[tuple[str, str], Sequence[Picture]]) -> Path:
    """Write VOCdevkit with a list of pictures for each (year, part)."""
    for (year, part), pictures in parts.items():
        folder = devkit / year
        for name in ("Annotations", "ImageSets/Main", "JPEGImages"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        names = "".join(f"{picture.name}\n" for picture in pictures)
        (folder / "ImageSets" / "Main" / f"{part}.txt").write_text(names)
        for picture in pictures:
            picture.save(folder / "JPEGImages" / f"{picture.name}.jpg")
            (folder / "Annotations" / f"{picture.name}.xml").write_text(voc_xml(picture))
    return devkit


def voc_xml(picture: Picture) -> str:
    objects = "".join(
        f"<object><name>{thing.name}</name><difficult>{int(thing.difficult)}</difficult>"
        f"<bndbox><xmin>{thing.box[0] + 1:g}</xmin><ymin>{thing.box[1] + 1:g}</ymin>"
        f"<xmax>{thing.box[2]:g}</xmax><ymax>{thing.box[3]:g}</ymax></bndbox>"
        "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
        "</object>\n"
        for thing in picture.things
    )
    height, width = picture.size
    return (
        f"<annotation>\n<filename>{picture.name}.jpg</filename>\n"
        f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n{objects}</annotation>\n"
    )


COCO_IDS = {"person": 1, "dog": 18, "toothbrush": 90}


def coco_annotation(number: int, image_id: int, thing: Thing, size: Size) -> dict[str, Any]:
    x1, y1, x2, y2 = thing.box
    segmentation: Any = [[x1, y1, x2, y1, x2, y2, x1, y2]]
    if thing.crowd:
        mask = np.zeros(size, dtype=np.uint8)
        mask[int(y1) : int(y2), int(x1) : int(x2)] = 1
        flat = mask.flatten(order="F")
        changes = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
        counts = np.diff(np.concatenate([[0], changes])).tolist()
        segmentation = {"counts": counts, "size": list(size)}
    return {
        "id": number, "image_id": image_id, "category_id": COCO_IDS[thing.name], "iscrowd": int(thing.crowd),
        "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "segmentation": segmentation,
    }  # fmt: skip


def coco_json(pictures: Sequence[Picture], first_id: int = 9) -> dict[str, Any]:
    images, annotations = [], []
    for number, picture in enumerate(pictures):
        image_id = first_id + 16 * number  # ids with gaps
        height, width = picture.size
        images.append({"id": image_id, "file_name": f"{picture.name}.jpg", "height": height, "width": width})
        for thing in picture.things:
            annotations.append(coco_annotation(7 * len(annotations) + 3, image_id, thing, picture.size))
    categories = [{"id": number, "name": name, "supercategory": "any"} for name, number in COCO_IDS.items()]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def write_coco(folder: Path, train: Sequence[Picture], val: Sequence[Picture]) -> Path:
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for part, pictures in (("train2017", train), ("val2017", val)):
        (folder / part).mkdir(exist_ok=True)
        for picture in pictures:
            picture.save(folder / part / f"{picture.name}.jpg")
        (folder / "annotations" / f"instances_{part}.json").write_text(json.dumps(coco_json(pictures)))
    return folder


def write_ade20k(folder: Path, train: Sequence[Picture], val: Sequence[Picture]) -> Path:
    """Write label maps with 1 (wall) everywhere, and 2, 3, ... in the things; the top row is 0 (other)."""
    for part, pictures in (("training", train), ("validation", val)):
        for kind in ("images", "annotations"):
            (folder / kind / part).mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            picture.save(folder / "images" / part / f"{picture.name}.jpg")
            labels = np.ones(picture.size, dtype=np.uint8)
            for number, thing in enumerate(picture.things):
                x1, y1, x2, y2 = map(int, thing.box)
                labels[y1:y2, x1:x2] = number + 2
            labels[0] = 0
            Image.fromarray(labels).save(folder / "annotations" / part / f"{picture.name}.png")
    return folder
