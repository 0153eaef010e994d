"""Transforms that torchvision's `transforms.v2` has not, or has with another rule than the authors' configurations.

All of them draw from PyTorch's global generator, as those of torchvision do.
"""

from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from bench.cases.batches import Limits
from bench.training.data.data_set import IGNORED_LABEL
from bench.training.data.image_settings import DistortionSettings, LabelCropSettings, ResizeSettings

OWN_SIZE = Limits(1.0, 1.0)
"""The limits of a resize as the configuration has them."""
HUE_UNITS = 180
"""OpenCV's hues; one is two degrees."""


class ResizeWithin(v2.Transform):
    """Resize to the largest size within the limits, rounded as mmcv's `imrescale` does."""

    def __init__(self, settings: ResizeSettings) -> None:
        super().__init__()
        self.settings = settings

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the limits, and find the size."""
        short = self.settings.short_sides[draw_integer(0, len(self.settings.short_sides) - 1)]
        scale = draw(*self.settings.scales)
        long_limit, short_limit = int(self.settings.long_side * scale), int(short * scale)
        return {"size": OWN_SIZE.resize(_size_of(flat_inputs), short_limit, long_limit)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Resize bilinearly with antialiasing; masks to the nearest pixel."""
        return F.resize(inpt, list(params["size"]), antialias=True)


class RangeCrop(v2.Transform):
    """Crop each side to a random length within a range, at most its own (mmdetection's `absolute_range`)."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__()
        self.least, self.most = least, most

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw size and place."""
        size = _size_of(flat_inputs)
        height, width = (draw_integer(min(side, self.least), min(side, self.most)) for side in size)
        return place_crop(size, height, width)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Crop; boxes are cut at the edges."""
        return F.crop(inpt, **params)


class LabelCrop(v2.Transform):
    """Crop to a fixed size, trying again while one class fills too much of it (mmsegmentation's `RandomCrop`)."""

    def __init__(self, settings: LabelCropSettings) -> None:
        super().__init__()
        self.settings = settings

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the place."""
        (labels,) = (item for item in flat_inputs if isinstance(item, tv_tensors.Mask))  # (H, W)
        size = (labels.shape[-2], labels.shape[-1])
        height, width = (min(side, most) for side, most in zip(size, self.settings.size, strict=True))
        place = place_crop(size, height, width)
        for _ in range(self.settings.tries):
            if self._is_mixed(F.crop(labels, **place)):
                break
            place = place_crop(size, height, width)
        return place

    def _is_mixed(self, labels: Tensor) -> bool:
        counts = torch.bincount(labels.flatten().int(), minlength=IGNORED_LABEL + 1)[:IGNORED_LABEL]
        total = int(counts.sum())
        return int((counts > 0).sum()) > 1 and int(counts.max()) < self.settings.largest_share * total

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Crop."""
        return F.crop(inpt, **params)


class PhotometricDistortion(v2.Transform):
    """Distort brightness, contrast, saturation and hue (mmsegmentation's `PhotoMetricDistortion`).

    torchvision's `RandomPhotometricDistort` multiplies by the brightness where this adds to it, takes contrast about
    the mean, mixes with grey for saturation and permutes channels.
    """

    def __init__(self, settings: DistortionSettings) -> None:
        super().__init__()
        self.settings = settings

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Distort the image; anything else stays as it is."""
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        settings, image = self.settings, inpt.as_subclass(Tensor)
        if happens():
            image = _to_bytes(image + draw(-settings.brightness, settings.brightness))
        contrast_first = happens()
        if contrast_first and happens():
            image = F.adjust_brightness(image, draw(*settings.contrast))
        if happens():
            image = scale_saturation(image, draw(*settings.saturation))
        if happens():
            image = F.adjust_hue(image, draw_integer(-settings.hue, settings.hue - 1) / HUE_UNITS)
        if not contrast_first and happens():
            image = F.adjust_brightness(image, draw(*settings.contrast))
        return tv_tensors.Image(image)


class DropEmptyBoxes(v2.Transform):
    """Drop boxes without area, with their labels and masks: objects that a crop left out.

    torchvision's `SanitizeBoundingBoxes` knows one set of boxes per image, and drops those narrower than a pixel.
    """

    def forward(self, *inputs: Any) -> Any:
        """Filter the sample, a dictionary as `DataSet.read` returns it."""
        (sample,) = inputs
        kept = _has_area(sample["boxes"])
        filtered = {key: sample[key][kept] for key in ("boxes", "labels", "masks") if key in sample}
        return sample | filtered | {"ignored": sample["ignored"][_has_area(sample["ignored"])]}


def scale_saturation(image: Tensor, factor: float) -> Tensor:
    """Multiply the saturation of an image (3, H, W) uint8 in HSV, at most to 1; hue and value stay."""
    values = image.float()
    value = values.amax(0)  # (H, W)
    largest = value / (value - values.amin(0)).clamp(min=1e-6)  # factor at which the saturation is 1
    return _to_bytes(value - (value - values) * largest.clamp(max=factor))


def happens(probability: float = 0.5) -> bool:
    """Draw whether something happens."""
    return float(torch.rand(())) < probability


def draw(low: float, high: float) -> float:
    """Draw a number between two others."""
    return low + (high - low) * float(torch.rand(()))


def draw_integer(low: int, high: int) -> int:
    """Draw a whole number, of which both limits are possible."""
    return int(torch.randint(low, high + 1, ()))


def place_crop(size: tuple[int, int], height: int, width: int) -> dict[str, Any]:
    """Draw where a crop lies in an image of `size`, as arguments of `crop`."""
    top, left = draw_integer(0, size[0] - height), draw_integer(0, size[1] - width)
    return {"top": top, "left": left, "height": height, "width": width}


def _size_of(flat_inputs: list[Any]) -> tuple[int, int]:
    (image,) = (item for item in flat_inputs if isinstance(item, tv_tensors.Image))
    return image.shape[-2], image.shape[-1]


def _has_area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])


def _to_bytes(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)
