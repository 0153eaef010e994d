"""A rectangle of a colour of its own must still fill its box, and its mask, after any transform."""

import colorsys
from dataclasses import replace
from random import Random

import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from bench.cases.batches import AUGMENTATIONS, COCO_CROP, COCO_SHORT_SIDES, Limits
from bench.training.data.augmentation import training_transforms
from bench.training.data.data_set import Sample, boxes_of
from bench.training.data.image_settings import (
    IMAGE_SETTINGS,
    MADE_IMAGE_SETTINGS,
    DistortionSettings,
    LabelCropSettings,
    RangeCropSettings,
    ResizeSettings,
)
from bench.training.data.transforms import (
    DropEmptyBoxes,
    LabelCrop,
    PhotometricDistortion,
    RangeCrop,
    ResizeWithin,
    scale_saturation,
)

BOXES = [(5, 10, 40, 30), (50, 35, 78, 58), (42, 2, 60, 20)]
COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
SIZE = (60, 80)
STRONG = 140
"""Value of a channel above which, where the others are low, a pixel belongs to the rectangle of that colour."""


def _sample() -> Sample:
    image = torch.zeros(3, *SIZE, dtype=torch.uint8)
    masks = torch.zeros(len(BOXES), *SIZE, dtype=torch.uint8)
    for number, ((x1, y1, x2, y2), colour) in enumerate(zip(BOXES, COLOURS, strict=True)):
        image[:, y1:y2, x1:x2] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
        masks[number, y1:y2, x1:x2] = 1
    return {
        "image": tv_tensors.Image(image),
        "boxes": boxes_of(BOXES, SIZE),
        "labels": torch.arange(len(BOXES)),
        "masks": tv_tensors.Mask(masks),
        "ignored": boxes_of(BOXES[:1], SIZE),
    }


def _extent(inside: Tensor) -> Tensor:
    ys, xs = inside.nonzero(as_tuple=True)
    return torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()


def _check(sample: Sample) -> None:
    height, width = sample["image"].shape[1:]
    assert len(sample["boxes"]) == len(sample["labels"]) == len(sample["masks"])
    for box, label, mask in zip(sample["boxes"], sample["labels"], sample["masks"], strict=True):
        assert 0 <= box[0] < box[2] <= width
        assert 0 <= box[1] < box[3] <= height
        if (box[2:] - box[:2]).min() < 3:
            continue  # a sliver that a resize has mixed with its surroundings
        strong = sample["image"][label] > STRONG
        assert (_extent(strong) - box).abs().max() <= 1.5, (box, _extent(strong))
        assert (_extent(mask > 0) - box).abs().max() <= 2  # each resize to the nearest pixel moves edges by up to one
        if label == 0:  # the first object is also the ignored region
            assert torch.equal(sample["ignored"][0].as_subclass(Tensor), box.as_subclass(Tensor))


TRANSFORMS: dict[str, v2.Transform] = {
    "resize": ResizeWithin(ResizeSettings(short_sides=(45, 90, 133), long_side=150)),
    "scaled resize": ResizeWithin(ResizeSettings(short_sides=(60,), long_side=240, scales=(0.5, 2.0))),
    "crop": v2.Compose([RangeCrop(8, 50), DropEmptyBoxes()]),
    "coco": training_transforms(MADE_IMAGE_SETTINGS["coco"]),
    "voc": training_transforms(MADE_IMAGE_SETTINGS["voc"]),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_boxes_and_masks_follow_their_objects(transform: v2.Transform) -> None:
    seen = set()
    for seed in range(40):
        torch.manual_seed(seed)
        sample = transform(_sample())
        _check(sample)
        seen.add((tuple(sample["image"].shape), len(sample["boxes"])))
    assert len(seen) > 1 or transform is TRANSFORMS["voc"]


@pytest.mark.parametrize("task", ["voc", "coco"])
def test_half_of_the_images_are_flipped(task: str) -> None:
    transform = training_transforms(replace(MADE_IMAGE_SETTINGS[task], range_crop=None))
    flipped = 0
    for _ in range(100):
        boxes = transform(_sample())["boxes"]
        flipped += bool(boxes[1, 0] < boxes[0, 0])  # the second object is at the right of the first
    assert flipped == pytest.approx(50, abs=20)


def test_a_crop_drops_objects_that_it_leaves_out() -> None:
    counts = set()
    for seed in range(60):
        torch.manual_seed(seed)
        sample = TRANSFORMS["crop"](_sample())
        visible = [bool((sample["image"][channel] > STRONG).any()) for channel in range(3)]
        assert sorted(sample["labels"].tolist()) == [number for number in range(3) if visible[number]]
        assert len(sample["ignored"]) == visible[0]
        counts.add(len(sample["labels"]))
    assert counts == {0, 1, 2, 3}


def test_an_image_without_objects_passes() -> None:
    sample = _sample()
    bare = sample | {"boxes": boxes_of([], SIZE), "ignored": boxes_of([], SIZE), "labels": sample["labels"][:0]}
    bare["masks"] = tv_tensors.Mask(torch.zeros(0, *SIZE, dtype=torch.uint8))
    for seed in range(10):
        torch.manual_seed(seed)
        done = TRANSFORMS["coco"](bare)
        assert tuple(done["boxes"].shape) == (0, 4)
        assert done["masks"].shape[1:] == done["image"].shape[1:]


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_a_flip_mirrors_boxes(flip: float) -> None:
    sample = v2.RandomHorizontalFlip(flip)(_sample())
    x1, y1, x2, y2 = BOXES[0]
    assert sample["boxes"][0].tolist() == ([80 - x2, y1, 80 - x1, y2] if flip else [x1, y1, x2, y2])
    _check(sample)


@pytest.mark.parametrize("size", [(375, 500), (640, 427), (333, 500)])
def test_sizes_are_those_that_the_suite_measures(size: tuple[int, int]) -> None:
    """`bench.cases.batches` draws the sizes of batches without images."""
    image = tv_tensors.Image(torch.zeros(3, *size, dtype=torch.uint8))
    voc = ResizeWithin(IMAGE_SETTINGS["voc"].train)(image)
    assert tuple(voc.shape[1:]) == AUGMENTATIONS["voc"](size, Limits(1, 1), Random(0))
    coco = {tuple(ResizeWithin(IMAGE_SETTINGS["coco"].train)(image).shape[1:]) for _ in range(60)}
    assert coco == {Limits(1, 1).resize(size, short, 1333) for short in COCO_SHORT_SIDES}


def test_coco_crops_half_of_the_images_within_the_range() -> None:
    settings = IMAGE_SETTINGS["coco"]
    assert settings.range_crop is not None
    assert settings.range_crop.sides == COCO_CROP
    crop = RangeCrop(*settings.range_crop.sides)
    image = tv_tensors.Image(torch.zeros(3, 500, 700, dtype=torch.uint8))
    sizes = [crop(image).shape[1:] for _ in range(200)]
    heights, widths = zip(*sizes, strict=True)
    assert (min(heights), max(heights)) == pytest.approx((384, 500), abs=5)
    assert (min(widths), max(widths)) == pytest.approx((384, 600), abs=5)
    small = RangeCropSettings(resize=ResizeSettings(short_sides=(60,), long_side=80), sides=(20, 30))
    policies = training_transforms(replace(MADE_IMAGE_SETTINGS["coco"], range_crop=small))
    whole = sum(len(policies(_sample())["boxes"]) == 3 for _ in range(200))  # no crop so small has all three objects
    assert whole == pytest.approx(100, abs=25)


def test_the_settings_are_those_of_the_configurations() -> None:
    assert IMAGE_SETTINGS["ade20k"].label_crop == LabelCropSettings(size=(512, 512), largest_share=0.75, tries=10)
    assert IMAGE_SETTINGS["coco"].train.short_sides == tuple(range(480, 801, 32))
    for settings in MADE_IMAGE_SETTINGS.values():
        assert min(settings.train.short_sides) >= 3 * 32


def _labels(*rows: str) -> tv_tensors.Mask:
    return tv_tensors.Mask(torch.tensor([[255 if char == "." else int(char) for char in row] for row in rows]).byte())


def test_a_label_crop_avoids_one_class() -> None:
    settings = LabelCropSettings(size=(2, 2), largest_share=0.75, tries=200)
    labels = _labels("0000000011", "0000000011", "0000000000", "........0.")
    image = tv_tensors.Image(torch.zeros(3, 4, 10, dtype=torch.uint8))
    seen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        crop = LabelCrop(settings)({"image": image, "label_map": labels})["label_map"]
        seen.add(tuple(crop.flatten().tolist()))
    assert seen == {(0, 1, 0, 1), (1, 1, 0, 0)}, "a share of 3 / 4 is too much, and ignored pixels do not count"


def test_a_label_crop_of_nothing_or_one_class_ends() -> None:
    image = tv_tensors.Image(torch.zeros(3, 2, 3, dtype=torch.uint8))
    for labels in (_labels("...", "..."), _labels("111", "11.")):
        done = LabelCrop(LabelCropSettings(size=(2, 2)))({"image": image, "label_map": labels})
        assert tuple(done["label_map"].shape) == (2, 2)
    small = LabelCrop(LabelCropSettings(size=(5, 5)))({"image": image, "label_map": labels})
    assert tuple(small["image"].shape) == (3, 2, 3)


def test_labels_stay_with_their_pixels() -> None:
    transform = training_transforms(MADE_IMAGE_SETTINGS["ade20k"])
    values = (torch.arange(100)[:, None] // 25 * 4 + torch.arange(120) // 30).byte()  # 16 fields of 25 x 30 pixels
    image = tv_tensors.Image((values * 10 + 40).expand(3, -1, -1).clone())
    for seed in range(20):
        torch.manual_seed(seed)
        no_distortion = v2.Compose(
            [step for step in transform.transforms if not isinstance(step, PhotometricDistortion)]
        )
        done = no_distortion({"image": image, "label_map": tv_tensors.Mask(values)})
        assert max(done["label_map"].shape) <= 128
        off = (done["image"][0].float() - (done["label_map"].float() * 10 + 40)).abs() > 5
        assert off.float().mean() < 0.12, "only pixels at the edges of fields are mixed"


def test_saturation_is_scaled_in_hsv() -> None:
    image = torch.randint(0, 256, (3, 6, 7), dtype=torch.uint8)
    for factor in (0.5, 1.5):
        done = scale_saturation(image, factor)
        for before, after in zip(image.flatten(1).T.tolist(), done.flatten(1).T.tolist(), strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in before))
            expected = colorsys.hsv_to_rgb(hue, min(1, saturation * factor), value)
            assert after == pytest.approx([255 * channel for channel in expected], abs=0.51)


ONLY = {
    "brightness": (DistortionSettings(contrast=(1, 1), saturation=(1, 1), hue=0), lambda old, new: new - old),
    "contrast": (DistortionSettings(brightness=0, saturation=(1, 1), hue=0), lambda old, new: new / old),
}


@pytest.mark.parametrize(("settings", "measure"), ONLY.values(), ids=ONLY)
def test_distortion_stays_in_its_range(settings, measure) -> None:
    grey = torch.full((3, 4, 4), 100, dtype=torch.uint8)
    values = []
    settings = DistortionSettings(**{**settings.__dict__, "hue": 1})  # a grey has no hue
    for seed in range(300):
        torch.manual_seed(seed)
        done = PhotometricDistortion(settings)({"image": tv_tensors.Image(grey), "label_map": tv_tensors.Mask(grey[0])})
        assert torch.equal(done["label_map"], tv_tensors.Mask(grey[0]))
        values.append(float(measure(100.0, done["image"].float().mean())))
    unchanged, (low, high) = (0, (-32, 32)) if measure(2.0, 3.0) == 1 else (1, (0.5, 1.5))
    assert (min(values), max(values)) == pytest.approx((low, high), rel=0.05)
    assert sum(value == unchanged for value in values) == pytest.approx(150, abs=30)
