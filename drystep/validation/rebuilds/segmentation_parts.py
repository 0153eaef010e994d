"""What the segmentation networks of mmsegmentation share: convolutions with norms, resizing, losses of pixels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drystep.validation.rebuilds.training_step import Batch, images, labels

IGNORED = 255
"""Label of pixels that no loss counts."""
AUXILIARY_WEIGHT = 0.4
"""Of the loss of the auxiliary head."""


class ConvNormReLU(nn.Sequential):
    """A convolution without bias, a batch norm and a ReLU in place. (B, inputs, H, W) -> (B, outputs, H', W')."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1, groups: int = 1
    ) -> None:
        padding = kernel // 2 * dilation
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class SeparableConv(nn.Sequential):
    """A 3x3 convolution of each channel, then a 1x1 convolution, each with norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, dilation: int = 1) -> None:
        super().__init__(
            ConvNormReLU(inputs, inputs, 3, dilation=dilation, groups=inputs), ConvNormReLU(inputs, outputs, 1)
        )


class PixelClassifier(nn.Sequential):
    """Dropout of whole channels, and a score for each class. (B, width, H, W) -> (B, classes, H, W)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__(nn.Dropout2d(0.1), nn.Conv2d(width, classes, 1))


def resized(x: Tensor, like: Tensor) -> Tensor:
    """Resize bilinearly to the height and width of another map, or of labels."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def pixel_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of the pixels, (B, classes, h, w) and (B, H, W), after the accuracy that a log shows."""
    scores = resized(scores, targets)
    loss = F.cross_entropy(scores, targets, reduction="none", ignore_index=IGNORED).mean()
    _log_accuracy(scores, targets)
    return loss


def crops(batch_size: int, height: int, width: int, device: torch.device) -> Batch:
    """Crops of images (B, 3, H, W) and the classes of their pixels (B, H, W)."""
    return images(batch_size, height, width, device), labels(batch_size, height, width, device=device)


def _log_accuracy(scores: Tensor, targets: Tensor) -> None:
    """What mmsegmentation computes for its log in every step. It takes memory while the activations are alive."""
    _, classes = scores.topk(1, dim=1)  # (B, 1, H, W)
    classes.squeeze(1).eq(targets).float().sum()
