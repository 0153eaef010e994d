"""The box head and the mask head that each cascade stage has, with their losses (mmdet's Swin settings)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.detectors.box_coder import BoxCoder
from bench.detectors.fpn import PYRAMID_CHANNELS
from bench.detectors.layers import ConvNormRelu, conv_relu_tower, init_normal
from bench.detectors.processes import mean_over_processes

BOX_ROI_SIZE, MASK_ROI_SIZE, MASK_SIZE = 7, 14, 28
FC_CHANNELS = 1024
GIOU_WEIGHT = 10.0
GIOU_EPS = 1e-7


class BoxHead(nn.Module):
    """Four 3x3 convolutions with batch norm, one linear layer, then class logits and class-specific box deltas."""

    def __init__(
        self,
        num_classes: int,
        box_weights: tuple[float, float, float, float],
        channels: int = PYRAMID_CHANNELS,
        fc_channels: int = FC_CHANNELS,
    ) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(ConvNormRelu(channels, channels, 3) for _ in range(4)))
        self.fc = nn.Linear(channels * BOX_ROI_SIZE**2, fc_channels)
        self.class_logits = nn.Linear(fc_channels, num_classes + 1)  # the last one is background
        self.box_deltas = nn.Linear(fc_channels, num_classes * 4)
        nn.init.xavier_uniform_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)
        init_normal(self.class_logits, std=0.01)
        init_normal(self.box_deltas, std=0.001)
        self.num_classes = num_classes
        self.coder = BoxCoder(weights=box_weights)

    def forward(self, roi_features: Tensor) -> tuple[Tensor, Tensor]:
        """(N, channels, 7, 7) -> class logits (N, classes + 1), deltas (N, classes, 4)."""
        x = F.relu(self.fc(self.convs(roi_features).flatten(1)), inplace=True)
        return self.class_logits(x), self.box_deltas(x).view(len(x), self.num_classes, 4)

    def decode(self, deltas: Tensor, classes: Tensor, boxes: Tensor) -> Tensor:
        """Apply to boxes (N, 4) the deltas (N, classes, 4) of their given classes (N,)."""
        chosen = deltas.gather(1, classes[:, None, None].expand(-1, 1, 4))[:, 0]
        return self.coder.decode(chosen, boxes)

    def losses(
        self, logits: Tensor, labels: Tensor, valid: Tensor, predicted: Tensor, gt_boxes: Tensor, positive: Tensor
    ) -> dict[str, Tensor]:
        """Cross-entropy of N RoIs and GIoU of the P that may be positive, both per valid RoI.

        logits (N, classes + 1), labels (N,), valid (N,); predicted and gt_boxes (P, 4), positive (P,).
        """
        count = mean_over_processes(valid.sum())
        class_loss = (F.cross_entropy(logits, labels, reduction="none") * valid).sum() / count
        # Slots without an object have no target. A unit box keeps their GIoU finite, and the product drops it.
        unit = torch.arange(4, device=predicted.device).ge(2).to(predicted.dtype)
        where = positive[:, None]
        giou = giou_loss(torch.where(where, predicted, unit), torch.where(where, gt_boxes, unit))
        return {"class": class_loss, "box": GIOU_WEIGHT * (giou * positive).sum() / count}


def giou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """1 - generalised IoU (Rezatofighi et al. 2019) of box pairs: (P, 4), (P, 4) -> (P,).

    torchvision's version selects the overlapping pairs by a mask, so its shapes depend on the data; this one does not.
    """
    x1, y1, x2, y2 = boxes.unbind(-1)
    u1, v1, u2, v2 = targets.unbind(-1)
    overlap = (x2.minimum(u2) - x1.maximum(u1)).clamp(min=0) * (y2.minimum(v2) - y1.maximum(v1)).clamp(min=0)
    union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - overlap
    hull = (x2.maximum(u2) - x1.minimum(u1)) * (y2.maximum(v2) - y1.minimum(v1))
    return 1 - overlap / (union + GIOU_EPS) + (hull - union) / (hull + GIOU_EPS)


class MaskHead(nn.Module):
    """Four 3x3 convolutions, a deconvolution to 28 x 28, and one mask logit per class."""

    def __init__(self, num_classes: int, channels: int = PYRAMID_CHANNELS) -> None:
        super().__init__()
        layers = conv_relu_tower(channels, length=4)
        layers += [nn.ConvTranspose2d(channels, channels, 2, stride=2), nn.ReLU(inplace=True)]
        self.convs = nn.Sequential(*layers)
        self.mask_logits = nn.Conv2d(channels, num_classes, 1)
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and conv.bias is not None:
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(conv.bias)

    def forward(self, roi_features: Tensor) -> Tensor:
        """(P, channels, 14, 14) -> (P, classes, 28, 28)."""
        return self.mask_logits(self.convs(roi_features))


def mask_loss(logits: Tensor, labels: Tensor, masks: Tensor, positive: Tensor) -> Tensor:
    """Mean binary cross-entropy of the true class's mask over the positive RoIs.

    logits (P, classes, 28, 28), labels (P,), masks (P, 28, 28) of zeros and ones, positive (P,).
    """
    index = labels[:, None, None, None].expand(-1, 1, MASK_SIZE, MASK_SIZE)
    own = logits.gather(1, index)[:, 0]
    loss = F.binary_cross_entropy_with_logits(own, masks, reduction="none").mean((1, 2))
    return (loss * positive).sum() / mean_over_processes(positive.sum())
