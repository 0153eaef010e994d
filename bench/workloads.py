"""The paper's three tasks: detector, images and settings, after the authors' released configurations."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.cascade_mask_rcnn import CascadeMaskRCNN
from models.retinanet import OUT_STAGES as RETINANET_STAGES
from models.retinanet import RetinaNet
from models.targets import DetectionTargets
from models.upernet import UPerNet

ALL_STAGES = (0, 1, 2, 3)
FULL_ROIS_PER_IMAGE = 512


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One task with its detector and training settings."""

    name: str
    """Name on the command line."""
    dataset: str
    """Data set whose images, classes and schedule it stands for."""
    detector: str
    """Neck and heads."""
    backbone: str
    """Swin of the paper's table."""
    image_size: tuple[int, int]
    """Height and width of the padded training image."""
    out_stages: tuple[int, ...]
    """Swin stages that the detector reads."""
    num_classes: int
    drop_path: float
    """Rate of the last block; it rises linearly from 0."""
    learning_rate: float
    weight_decay: float
    gt_boxes: int
    """Objects per image unless the case says otherwise; 0 where the task has none."""
    has_rois: bool
    """Whether the detector samples RoIs."""
    build: Callable[..., nn.Module]
    """Detector around a backbone."""


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload(
            name="voc", dataset="Pascal VOC 07+12", detector="RetinaNet", backbone="swin_large",
            image_size=(608, 1024), out_stages=RETINANET_STAGES, num_classes=20, drop_path=0.2,
            learning_rate=1e-4, weight_decay=0.05, gt_boxes=8, has_rois=False, build=RetinaNet,
        ),
        Workload(
            name="ade20k", dataset="ADE20K", detector="UPerNet", backbone="swin_large",
            image_size=(512, 512), out_stages=ALL_STAGES, num_classes=150, drop_path=0.3,
            learning_rate=6e-5, weight_decay=0.01, gt_boxes=0, has_rois=False, build=UPerNet,
        ),
        Workload(
            name="coco", dataset="COCO", detector="Cascade Mask R-CNN", backbone="swin_base",
            image_size=(800, 1344), out_stages=ALL_STAGES, num_classes=80, drop_path=0.3,
            learning_rate=1e-4, weight_decay=0.05, gt_boxes=20, has_rois=True, build=CascadeMaskRCNN,
        ),
    )
}  # fmt: skip


def random_batch(
    workload: Workload, batch_size: int, image_size: tuple[int, int], gt_boxes: int, device: torch.device
) -> tuple[Tensor, DetectionTargets | Tensor]:
    """Images (B, 3, H, W) and targets of random content from the global generator; memory does not depend on it."""
    height, width = image_size
    with device:
        images = torch.randn(batch_size, 3, height, width)
        if workload.gt_boxes == 0:
            return images, torch.randint(workload.num_classes, (batch_size, height, width))
        scale = torch.stack((torch.full((), width), torch.full((), height))).float()
        corner = torch.rand(batch_size, gt_boxes, 2) * 0.6 * scale
        size = (0.1 + 0.3 * torch.rand(batch_size, gt_boxes, 2)) * scale
        boxes = torch.cat([corner, corner + size], dim=-1)  # (B, G, 4), inside the image
        labels = torch.randint(workload.num_classes, (batch_size, gt_boxes))
        return images, DetectionTargets(boxes, labels, _box_masks(boxes, height, width) if workload.has_rois else None)


def _box_masks(boxes: Tensor, height: int, width: int) -> Tensor:
    """(B, G, 4) -> (B, G, H, W) uint8: each object fills its box."""
    x1, y1, x2, y2 = boxes[..., None, None, :].unbind(-1)  # (B, G, 1, 1)
    y, x = torch.arange(height)[:, None], torch.arange(width)
    return ((y >= y1) & (y < y2) & (x >= x1) & (x < x2)).to(torch.uint8)
