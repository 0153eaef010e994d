"""A small training step whose trace has activations, gradients and optimizer state."""

from collections.abc import Callable

import torch
from torch import nn


def build_mlp(device: torch.device, hidden: int = 1024) -> Callable[[], None]:
    """Build two layers, AdamW and data (3000, 512), and return a training step."""
    model = nn.Sequential(nn.Linear(512, hidden), nn.ReLU(), nn.Linear(hidden, 512)).to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    data = torch.empty(3000, 512, device=device)

    def step() -> None:
        optimizer.zero_grad()
        model(data).sum().backward()
        optimizer.step()

    return step
