"""What small models of transformers are called with: two samples each."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

BATCH = 2
TOKENS = 16


def tokens(device: torch.device, length: int = 16, **more: Any) -> dict[str, Tensor]:
    tokens = torch.randint(5, 199, (BATCH, length), device=device)
    return {"input_ids": tokens, "labels": tokens, **more}


def masked(device: torch.device) -> dict[str, Tensor]:
    return tokens(device, attention_mask=torch.ones(BATCH, 16, dtype=torch.int64, device=device))


def sentences(device: torch.device) -> dict[str, Tensor]:
    return tokens(device) | {"labels": torch.zeros(BATCH, dtype=torch.int64, device=device)}


def labelled(side: int = 64) -> Callable:
    def inputs(device: torch.device) -> dict[str, Tensor]:
        labels = torch.zeros(BATCH, dtype=torch.int64, device=device)
        return {"pixel_values": torch.rand(BATCH, 3, side, side, device=device), "labels": labels}

    return inputs


def mapped(side: int = 64) -> Callable:
    def inputs(device: torch.device) -> dict[str, Tensor]:
        labels = torch.ones(BATCH, side, side, dtype=torch.int64, device=device)
        return {"pixel_values": torch.rand(BATCH, 3, side, side, device=device), "labels": labels}

    return inputs


def pixels(side: int = 64) -> Callable:
    return lambda device: {"pixel_values": torch.rand(BATCH, 3, side, side, device=device)}


def texts_and_images(device: torch.device) -> dict[str, Any]:
    tokens = torch.randint(5, 199, (BATCH, 16), device=device)
    return {"input_ids": tokens, "return_loss": True, **pixels()(device)}


def spectrogram(device: torch.device) -> dict[str, Tensor]:
    return {
        "input_features": torch.rand(BATCH, 16, 64, device=device),
        "labels": torch.randint(5, 199, (BATCH, 8), device=device),
    }


def waves(device: torch.device) -> dict[str, Tensor]:
    return {
        "input_values": torch.rand(BATCH, 4000, device=device),
        "labels": torch.ones(BATCH, 5, dtype=torch.int64, device=device),
    }


def objects(device: torch.device) -> dict[str, Any]:
    """Images with three and two objects."""
    boxes = torch.tensor([[0.3, 0.3, 0.2, 0.2], [0.6, 0.6, 0.3, 0.2], [0.5, 0.4, 0.1, 0.3]])
    labels = [
        {"class_labels": _on(torch.arange(count), device), "boxes": _on(boxes[:count], device)} for count in (3, 2)
    ]
    return {"labels": labels, **pixels(96)(device)}


def segments(device: torch.device) -> dict[str, Any]:
    """Images with two masks each."""
    masks = torch.zeros(2, 64, 64)
    masks[0, :32], masks[1, 32:] = 1, 1
    classes = torch.tensor([0, 2])
    labels = {"mask_labels": [_on(masks, device)] * BATCH, "class_labels": [_on(classes, device)] * BATCH}
    return labels | pixels()(device)


def dialogue(device: torch.device) -> dict[str, Tensor]:
    """Two texts, each with an image of 4 x 4 patches, which four tokens stand for."""
    text = torch.cat([torch.tensor([192]), torch.full((4,), 190), torch.tensor([193]), torch.arange(5, 15)])
    tokens = _on(text.expand(BATCH, -1).contiguous(), device)
    return {
        "input_ids": tokens,
        "labels": tokens,
        "attention_mask": _on(torch.ones(BATCH, 16, dtype=torch.int64), device),
        "pixel_values": torch.rand(BATCH * 16, 3 * 2 * 14 * 14, device=device),
        "image_grid_thw": _on(torch.tensor([[1, 4, 4]] * BATCH), device),
        "mm_token_type_ids": _on((text == 190).int().expand(BATCH, -1).contiguous(), device),
    }


def _on(tensor: Tensor, device: torch.device) -> Tensor:
    """As a copy also on the CPU."""
    return tensor.clone() if device.type == "cpu" else tensor.to(device)
