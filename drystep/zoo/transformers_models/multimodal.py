"""Places of images in texts: as many image tokens as a model makes of one image."""

from typing import Any

import torch

from drystep.zoo.refusals import said
from drystep.zoo.transformers_models.images import channels, several_images
from drystep.zoo.transformers_models.subject import Batch, Subject
from drystep.zoo.transformers_models.texts import id_range, text_tokens

NAMES = ("image_token_id", "image_token_index")
COUNTS = ("num_query_tokens", "image_seq_length", "mm_tokens_per_image")
"""Names that configurations have for the tokens of an image."""


def image_tokens(subject: Subject, batch: Batch) -> None:
    """Put an image's tokens before each text, where the configuration has a token that stands for them."""
    token = next((getattr(subject.config, name, None) for name in NAMES if getattr(subject.config, name, None)), None)
    if token is None:
        return
    number = _patches(subject, batch) if subject.takes("image_grid_thw") else _features(subject)
    batch.lines[:] = [line for line in batch.lines if not line.startswith(("input_ids", "attention_mask"))]
    tokens = text_tokens(subject)
    batch.lines += [
        f"image_ids = torch.full((batch_size, {number}), {token}, device=device)",
        f"text_ids = torch.randint({id_range(subject)}, (batch_size, {tokens}), device=device)",
    ]
    batch.add("input_ids", "torch.cat([image_ids, text_ids], dim=1)")
    if subject.takes("attention_mask"):
        batch.add("attention_mask", "torch.ones_like(input_ids)")
    if subject.takes("mm_token_type_ids"):
        batch.add("mm_token_type_ids", f"(input_ids == {token}).int()")
    batch.remarks.append(f"Each text has {tokens} tokens beside the {number} of its image.")


def _features(subject: Subject) -> int:
    """Tokens of one image: the features that the model makes of it, counted on the meta device."""
    assert subject.image_size is not None
    inner: Any = subject.example
    if not hasattr(inner, "get_image_features"):
        inner = inner.base_model
    try:
        with torch.no_grad(), torch.device("meta"):
            leading = (1, 1) if several_images(subject) else (1,)
            made = inner.get_image_features(torch.empty(*leading, channels(subject), *subject.image_size))
    except Exception as error:  # models compute features in their own ways
        for name in COUNTS:
            if isinstance(getattr(subject.config, name, None), int):
                return int(getattr(subject.config, name))
        raise ValueError(f"the image tokens of {subject.name} cannot be counted: {said(error)}") from error
    features = getattr(made, "pooler_output", None)
    features = features if features is not None else made
    features = features[0] if isinstance(features, list | tuple) else features
    return int(features.numel() // features.shape[-1])


def _patches(subject: Subject, batch: Batch) -> int:
    """Replace images by rows of patches with their grid, as Qwen2-VL takes them, and return an image's tokens.

    A row has the pixels of a patch in as many frames as the model joins.
    """
    assert subject.image_size is not None
    vision = subject.vision_config
    patch, merge, frames = vision.patch_size, vision.spatial_merge_size, getattr(vision, "temporal_patch_size", 1)
    height, width = (side // (patch * merge) * merge for side in subject.image_size)
    batch.lines[:] = [line for line in batch.lines if not line.startswith("pixel_values")]
    batch.images.clear()
    step = patch * merge
    batch.lines += [
        f"rows, columns = image_size[0] // {step} * {merge}, image_size[1] // {step} * {merge}  # of patches",
    ]
    batch.add(
        "pixel_values",
        f"torch.rand(batch_size * rows * columns, {channels(subject) * frames * patch * patch}, device=device)",
    )
    batch.add("image_grid_thw", "torch.tensor([[1, rows, columns]] * batch_size, device=device)")
    return height * width // merge**2
