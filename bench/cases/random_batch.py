"""Images and targets of random content for any task."""

import torch
from torch import Tensor

from bench.cases.tasks import Workload
from bench.detectors.targets import DetectionTargets


def random_batch(
    workload: Workload, batch_size: int, image_size: tuple[int, int], gt_boxes: int, device: torch.device
) -> tuple[Tensor, DetectionTargets | Tensor]:
    """Draw images (B, 3, H, W) and targets from the global generator. Memory does not depend on their content."""
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
