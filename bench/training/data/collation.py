"""Batches from samples: normalised images padded to one size, with their targets."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.cases.training_step import Batch
from bench.detectors.targets import NO_OBJECT, DetectionTargets
from bench.training.data.data_set import IGNORED_LABEL, Sample
from bench.training.data.image_files import ImageSize
from bench.training.data.image_settings import ImageSettings


def collate(samples: Sequence[Sample], settings: ImageSettings, seeds: Sequence[int]) -> Batch:
    """Put samples of one task into a batch. `seeds` has the seed of each image for what the model draws."""
    sizes = tuple(image_size(sample["image"]) for sample in samples)
    if "label_map" in samples[0]:
        assert settings.label_crop is not None
        images = padded_images([sample["image"] for sample in samples], settings, settings.label_crop.size)
        return images, _padded_labels([sample["label_map"] for sample in samples], image_size(images))
    images = padded_images([sample["image"] for sample in samples], settings)
    objects = max(len(sample["labels"]) for sample in samples)
    boxes = torch.stack([_padded_rows(sample["boxes"], objects) for sample in samples])  # (B, G, 4)
    labels = torch.stack([_padded_rows(sample["labels"], objects, NO_OBJECT) for sample in samples])  # (B, G)
    masks = _padded_masks([sample.get("masks") for sample in samples], objects, image_size(images))
    regions = max(len(sample["ignored"]) for sample in samples) if settings.ignores_regions else 0
    ignored = torch.stack([_padded_rows(sample["ignored"], regions) for sample in samples]) if regions else None
    return images, DetectionTargets(boxes, labels, masks, sizes, ignored, tuple(seeds))


def padded_images(images: Sequence[Tensor], settings: ImageSettings, least: ImageSize = (1, 1)) -> Tensor:
    """Normalise uint8 images (3, h, w) and pad them with 0 to one float32 batch (B, 3, H, W).

    H and W are the smallest multiples of the divisor that hold every image and `least`.
    """
    height, width = (
        -(-max(side, *(image.shape[axis] for image in images)) // settings.divisor) * settings.divisor
        for axis, side in ((1, least[0]), (2, least[1]))
    )
    batch = torch.zeros(len(images), 3, height, width)
    mean, std = torch.tensor(settings.mean)[:, None, None], torch.tensor(settings.std)[:, None, None]
    for place, image in zip(batch, images, strict=True):
        inside = place[:, : image.shape[1], : image.shape[2]]
        inside.copy_(image.as_subclass(Tensor)).sub_(mean).div_(std)
    return batch


def image_size(image: Tensor) -> ImageSize:
    """Height and width of a tensor whose last two dimensions they are."""
    return image.shape[-2], image.shape[-1]


def _padded_rows(rows: Tensor, count: int, value: float = 0) -> Tensor:
    """`rows` (n, ...) with further rows of `value` up to `count`."""
    rows = rows.as_subclass(Tensor)
    return F.pad(rows, (0, 0) * (rows.dim() - 1) + (0, count - len(rows)), value=value)


def _padded_masks(masks: Sequence[Tensor | None], objects: int, size: ImageSize) -> Tensor | None:
    """Masks (n, h, w) of each image as one tensor (B, G, H, W), or None for a task without masks."""
    present = [mask for mask in masks if mask is not None]
    if not present:
        return None
    batch = torch.zeros(len(present), objects, *size, dtype=torch.uint8)
    for place, mask in zip(batch, present, strict=True):
        place[: mask.shape[0], : mask.shape[1], : mask.shape[2]] = mask.as_subclass(Tensor)
    return batch


def _padded_labels(maps: Sequence[Tensor], size: ImageSize) -> Tensor:
    """Label maps (h, w) uint8 as one int64 tensor (B, H, W), padded with the label that is not learned."""
    batch = torch.full((len(maps), *size), IGNORED_LABEL, dtype=torch.int64)
    for place, labels in zip(batch, maps, strict=True):
        place[: labels.shape[0], : labels.shape[1]] = labels.as_subclass(Tensor)
    return batch
