"""Mean intersection over union of label maps."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

IGNORED = 255
"""Label of pixels that do not count."""


class MeanIoU:
    """Counts pixels over a whole set, image by image.

    mIoU is the mean over classes of intersection over union, each summed over the set, as in mmsegmentation. Classes
    without a pixel in either the labels or the predictions are left out.
    """

    def __init__(self, num_classes: int) -> None:
        """Start with no pixel. Raises `ValueError` for less than two classes."""
        if not 2 <= num_classes <= IGNORED:
            raise ValueError(f"num_classes must be between 2 and {IGNORED}, got {num_classes}")
        self.num_classes = num_classes
        self._pixels = torch.zeros(num_classes, num_classes, dtype=torch.int64)  # label x prediction

    def update(self, prediction: Tensor, label_map: Tensor) -> None:
        """Count one image's pixels.

        Args:
            prediction: (H, W) class indices.
            label_map: (H, W) class indices, 255 where the pixel does not count.

        Raises:
            ValueError: The two differ in size, or one has a value that is no class.
        """
        if prediction.shape != label_map.shape:
            raise ValueError(
                f"the prediction must have the size of the label map, {tuple(label_map.shape)}, "
                f"got {tuple(prediction.shape)}"
            )
        label_map = label_map.to(prediction.device, torch.int64)
        prediction = prediction.to(torch.int64)
        self._require_classes("predictions", prediction)
        self._require_classes("labels", label_map[label_map != IGNORED])
        self._pixels += multiclass_confusion_matrix(
            prediction.flatten(), label_map.flatten(), self.num_classes, ignore_index=IGNORED, validate_args=False
        ).cpu()

    def compute(self) -> dict[str, Any]:
        """Return `mIoU` and `pixel_accuracy`, and `per_class`: the IoU of each class, None where it has no pixel.

        All are between 0 and 1. Raises `ValueError` if no pixel was counted.
        """
        total = self._pixels.sum()
        if not total:
            raise ValueError("no label map has a pixel that counts, so there is no mean IoU")
        both = self._pixels.diagonal()
        either = self._pixels.sum(0) + self._pixels.sum(1) - both
        ious = both.double() / either  # NaN for a class without a pixel
        return {
            "mIoU": float(ious.nanmean()),
            "pixel_accuracy": float(both.sum() / total),
            "per_class": [
                None if pixels == 0 else iou for iou, pixels in zip(ious.tolist(), either.tolist(), strict=True)
            ],
        }

    def _require_classes(self, name: str, values: Tensor) -> None:
        if values.numel() and not 0 <= int(values.min()) <= int(values.max()) < self.num_classes:
            raise ValueError(
                f"{name} must be between 0 and {self.num_classes - 1}, got {int(values.min())} to {int(values.max())}"
            )
