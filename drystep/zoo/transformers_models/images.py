"""Images and clips as inputs: their channels, their size by default, and how a configuration states it."""

import math
from typing import Any

from drystep.zoo.transformers_models.subject import Batch, Subject

IMAGENET_SIDE = 224
"""Pixels of the crops that classifiers of ImageNet are trained with by default."""
PHOTO = (480, 640)
"""(height, width) of most photos of COCO, for models that take images in their own size."""
MOST_PATCHES = 2048
"""Patches that Pix2Struct cuts an image into by default (Lee et al., 2022, section 2.3)."""
SIZE_PATHS = ("image_size", "vision_config.image_size")
DEFAULT_FRAMES = 16
"""Frames of a clip, where the configuration states none."""
FRAMES = ("num_frames", "frames_per_clip")
"""Names that configurations have for the frames of a clip."""


def images(subject: Subject, batch: Batch) -> None:
    """Add images (batch, channels, height, width), or clips (batch, frames, channels, height, width)."""
    parameter = subject.main_input if subject.main_input in ("pixel_values", "pixel_values_videos") else "pixel_values"
    shape = f"{'1, ' if several_images(subject) else ''}{channels(subject)}, *image_size"
    frames = clip_frames(subject)
    if frames:
        batch.suited.add("frames")
        shape = f"{frames}, {shape}"
    else:
        batch.images.append(parameter)
    batch.add(parameter, f"torch.rand(batch_size, {shape}, device=device)")


def several_images(subject: Subject) -> bool:
    """Whether each text may have several images, in a dimension of their own (batch, images, channels, ...)."""
    return subject.takes("input_ids") and subject.takes("pixel_attention_mask")


def flattened_patches(subject: Subject, batch: Batch) -> None:
    """Add patches of images as rows (batch, patches, values) that start with their row and column, and their mask."""
    values = 2 + subject.vision_config.patch_embed_hidden_size
    most = getattr(subject.vision_config, "max_patches", None) or MOST_PATCHES
    batch.add("flattened_patches", f"torch.rand(batch_size, {most}, {values}, device=device)")
    batch.add("attention_mask", f"torch.ones(batch_size, {most}, device=device)")


def channels(subject: Subject) -> int:
    """Channels of an image."""
    for config in (subject.vision_config, subject.config):
        for name in ("num_channels", "in_channels", "in_chans"):
            if isinstance(getattr(config, name, None), int):
                return int(getattr(config, name))
    return 3


def clip_frames(subject: Subject) -> int:
    """Frames of a clip; 0 for a model of single images."""
    stated = next((getattr(subject.config, name) for name in FRAMES if hasattr(subject.config, name)), 0)
    if not (stated or subject.main_input == "pixel_values_videos"):
        return 0
    return int(subject.settings.frames or stated or DEFAULT_FRAMES)


def size_paths(config: Any) -> list[str]:
    """Where a configuration states the size of images: names of values, with dots for its parts."""
    return [path for path in SIZE_PATHS if value_at(config, path)]


def value_at(config: Any, path: str) -> Any:
    """A value of a configuration, or None where it lacks it."""
    for name in path.split("."):
        config = getattr(config, name, None)
    return config


def default_size(config: Any, classifies: bool, native: bool) -> tuple[int, int]:
    """(height, width) of a model's images: its configuration's, else what its image processor makes of a photo.

    Classifiers without a size of their own take ImageNet's, and `native` models a photo as it is.
    """
    for path in size_paths(config):
        return as_size(value_at(config, path))
    if native:
        return PHOTO
    if classifies:
        return IMAGENET_SIDE, IMAGENET_SIDE
    processor = _image_processor(type(config))
    if processor is None:
        inner = value_at(config, "backbone_config.image_size")
        return as_size(inner or IMAGENET_SIDE)
    size = dict((getattr(processor, "do_center_crop", None) and processor.crop_size) or processor.size)
    height = size.get("height") or size.get("shortest_edge") or size.get("longest_edge") or IMAGENET_SIDE
    width = size.get("width") or size.get("longest_edge") or height
    divisor = getattr(processor, "size_divisor", None) or 1
    return math.ceil(height / divisor) * divisor, math.ceil(width / divisor) * divisor


def as_size(value: Any) -> tuple[int, int]:
    """(height, width) of a side or a pair."""
    height, width = value if isinstance(value, list | tuple) else (value, value)
    return int(height), int(width)


def size_multiple(config: Any) -> int:
    """Pixels by which a model divides an image: the patch of a ViT, or 32 for a pyramid."""
    patch = value_at(config, "patch_size") or value_at(config, "vision_config.patch_size")
    patch = max(as_size(patch)) if isinstance(patch, int | list | tuple) and patch else 0
    return patch if patch >= 8 else 32


def _image_processor(config: type[Any]) -> Any:
    """The class that prepares images for models of a configuration, or None."""
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING

    try:
        found = IMAGE_PROCESSOR_MAPPING[config]
    except (KeyError, ImportError):
        return None
    classes = list(found.values()) if isinstance(found, dict) else list(found) if isinstance(found, tuple) else [found]
    return next((kind for kind in classes if isinstance(getattr(kind, "size", None), dict)), None)
