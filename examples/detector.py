"""Training step of torchvision's Mask R-CNN on made-up images, which selects anchors, proposals and masks by values.

drystep fit examples/detector.py:build_step --gpu p100-16gb --assumptions
"""

from collections.abc import Callable

import torch
from torchvision.models.detection import maskrcnn_resnet50_fpn

HEIGHT, WIDTH = 320, 480


def build_step(device: torch.device, batch_size: int = 2) -> Callable[[], None]:
    """Build the model, its optimizer and a batch on the device, and return one training step."""
    model = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=3, min_size=HEIGHT, max_size=WIDTH
    ).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    images = [torch.rand(3, HEIGHT, WIDTH, device=device) for _ in range(batch_size)]
    target = {
        "boxes": torch.tensor([[10.0, 10.0, 100.0, 100.0], [50.0, 60.0, 200.0, 180.0]], device=device),
        "labels": torch.tensor([1, 2], device=device),
        "masks": torch.ones(2, HEIGHT, WIDTH, dtype=torch.uint8, device=device),
    }

    def step() -> None:
        optimizer.zero_grad()
        losses = model(images, [target] * batch_size)
        sum(losses.values()).backward()
        optimizer.step()

    return step
