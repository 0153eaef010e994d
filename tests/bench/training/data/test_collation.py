from dataclasses import replace

import pytest
import torch
from torchvision import tv_tensors

from bench.detectors.targets import NO_OBJECT
from bench.training.data.collation import collate
from bench.training.data.data_set import Sample, boxes_of
from bench.training.data.image_settings import IMAGE_SETTINGS, MADE_IMAGE_SETTINGS, LabelCropSettings

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def _sample(height: int, width: int, objects: int, ignored: int, masks: bool = True) -> Sample:
    size = (height, width)
    sample = {
        "image": tv_tensors.Image(torch.randint(0, 256, (3, *size), dtype=torch.uint8)),
        "boxes": boxes_of([[number, 1, number + 2, 5] for number in range(objects)], size),
        "labels": torch.arange(objects),
        "ignored": boxes_of([[0, 0, 3, 3]] * ignored, size),
    }
    return sample | ({"masks": tv_tensors.Mask(torch.ones(objects, *size, dtype=torch.uint8))} if masks else {})


def test_images_are_normalised_and_padded_with_0_to_multiples_of_32() -> None:
    samples = [_sample(40, 33, 2, 0), _sample(20, 65, 0, 0)]
    images, targets = collate(samples, IMAGE_SETTINGS["coco"], [5, 6])
    assert tuple(images.shape) == (2, 3, 64, 96)
    assert images.dtype == torch.float32
    for channel in range(3):
        expected = (samples[0]["image"][channel].double() - MEAN[channel]) / STD[channel]
        torch.testing.assert_close(images[0, channel, :40, :33].double(), expected, rtol=0, atol=1e-6)
    assert images[0, :, 40:].eq(0).all()
    assert images[0, :, :, 33:].eq(0).all()
    assert targets.valid_sizes == ((40, 33), (20, 65))
    assert targets.seeds == (5, 6)


def test_objects_are_padded_to_the_most() -> None:
    images, targets = collate([_sample(40, 33, 2, 0), _sample(20, 65, 3, 1)], IMAGE_SETTINGS["coco"], [5, 6])
    assert targets.labels.tolist() == [[0, 1, NO_OBJECT], [0, 1, 2]]
    assert targets.boxes.tolist()[0] == [[0, 1, 2, 5], [1, 1, 3, 5], [0, 0, 0, 0]]
    assert targets.masks.dtype == torch.uint8
    assert tuple(targets.masks.shape) == (2, 3, 64, 96)
    assert targets.masks.sum((2, 3)).tolist() == [[40 * 33, 40 * 33, 0], [20 * 65] * 3]
    assert targets.ignored.tolist() == [[[0, 0, 0, 0]], [[0, 0, 3, 3]]]
    assert all(type(value) is torch.Tensor for value in (images, targets.boxes, targets.labels, targets.masks))


@pytest.mark.parametrize("masks", [True, False])
def test_a_batch_without_objects(masks: bool) -> None:
    _, targets = collate([_sample(40, 33, 0, 0, masks)], IMAGE_SETTINGS["coco"], [5])
    assert tuple(targets.boxes.shape) == (1, 0, 4)
    assert tuple(targets.labels.shape) == (1, 0)
    assert targets.labels.dtype == torch.int64
    assert targets.ignored is None
    assert (tuple(targets.masks.shape) == (1, 0, 64, 64)) if masks else (targets.masks is None)


def test_label_maps_are_padded_to_the_crop_and_not_learned_there() -> None:
    size = (50, 128)
    sample = {
        "image": tv_tensors.Image(torch.full((3, *size), 9, dtype=torch.uint8)),
        "label_map": tv_tensors.Mask(torch.full(size, 7, dtype=torch.uint8)),
    }
    settings = replace(MADE_IMAGE_SETTINGS["ade20k"], label_crop=LabelCropSettings(size=(128, 128)))
    images, labels = collate([sample], settings, [0])
    assert tuple(images.shape) == (1, 3, 128, 128)
    assert tuple(labels.shape) == (1, 128, 128)
    assert labels.dtype == torch.int64
    assert labels[0, :50].unique().tolist() == [7]
    assert labels[0, 50:].unique().tolist() == [255]
    assert images[0, :, 50:].eq(0).all()
