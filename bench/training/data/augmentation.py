"""The chain of transforms of a task, put together from its settings."""

from torchvision.transforms import v2

from bench.training.data.image_settings import ImageSettings
from bench.training.data.transforms import DropEmptyBoxes, LabelCrop, PhotometricDistortion, RangeCrop, ResizeWithin


def training_transforms(settings: ImageSettings) -> v2.Transform:
    """Augmentation of one sample; the image stays uint8. Draws from PyTorch's global generator."""
    steps: list[v2.Transform] = []
    if settings.range_crop is not None:
        crop = settings.range_crop
        cropping = v2.Compose([ResizeWithin(crop.resize), RangeCrop(*crop.sides)])
        steps.append(v2.RandomApply([cropping], p=crop.share))
    steps.append(ResizeWithin(settings.train))
    if settings.label_crop is not None:
        steps.append(LabelCrop(settings.label_crop))
    steps.append(v2.RandomHorizontalFlip(settings.flip))
    if settings.distortion is not None:
        steps.append(PhotometricDistortion(settings.distortion))
    if settings.label_crop is None:
        steps += [v2.ClampBoundingBoxes(), DropEmptyBoxes()]  # a resize rounds coordinates to just over the edge
    return v2.Compose(steps)
