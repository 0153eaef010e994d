"""Steps of torchvision's models written by hand, and the code of their specs: the same figures."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torchvision.models import resnet50
from torchvision.models.detection import maskrcnn_resnet50_fpn

from drystep import Simulation, simulate
from drystep.zoo.python_file import load_function
from tests.drystep.zoo.steps import GPU, loaded, simulated

SIZE = (96, 128)


def _resnet(device: torch.device) -> Callable[[], object]:
    with torch.device(device):
        model = resnet50(num_classes=7)
    optimizer = torch.optim.AdamW(model.parameters())
    images, labels = torch.rand(2, 3, *SIZE, device=device), torch.zeros(2, dtype=torch.int64, device=device)

    def step() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    return step


def _mask_rcnn(device: torch.device) -> Callable[[], object]:
    with torch.device(device):
        model = maskrcnn_resnet50_fpn(weights_backbone=None, num_classes=7, min_size=96, max_size=128)
    optimizer = torch.optim.AdamW(model.parameters())
    targets = []
    images = [torch.rand(3, *SIZE, device=device) for _ in range(2)]
    for _ in images:
        boxes = torch.tensor([[0, 0, 32, 24], [96, 72, 128, 96]], dtype=torch.float32).to(device)
        labels = torch.ones(2, dtype=torch.int64, device=device)
        masks = torch.ones(2, *SIZE, dtype=torch.uint8, device=device)
        targets.append({"boxes": boxes, "labels": labels, "masks": masks})

    def step() -> None:
        optimizer.zero_grad()
        loss = sum(model(images, targets).values())
        loss.backward()
        optimizer.step()

    return step


def _figures(simulation: Simulation) -> tuple[int, int, float]:
    step_ms = simulation.step_time(GPU).step_ms
    return simulation.peak_allocated_bytes, simulation.peak_reserved_bytes, step_ms


@pytest.mark.parametrize(
    ("by_hand", "spec", "settings"),
    [
        (_resnet, "torchvision:resnet50", {"classes": 7}),
        (_mask_rcnn, "torchvision:maskrcnn_resnet50_fpn", {"classes": 7, "objects": 2}),
    ],
    ids=["resnet50", "maskrcnn"],
)
def test_a_step_by_hand_and_that_of_a_spec(by_hand, spec: str, settings: dict[str, int], tmp_path: Path) -> None:
    of_spec = _figures(simulated(spec, SIZE, **settings))
    assert _figures(simulate(by_hand, gpus=(GPU,)))[:2] == of_spec[:2]
    path = tmp_path / "saved.py"
    path.write_text(loaded(spec, SIZE, **settings).source.replace("batch_size=8", "batch_size=2"))
    assert _figures(simulate(load_function(f"{path}:build_step"), gpus=(GPU,))) == of_spec
