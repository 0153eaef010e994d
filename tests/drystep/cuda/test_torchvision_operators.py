"""What torchvision's operators allocate besides their results, by arithmetic."""

import pytest
import torch
from torchvision.ops import DeformConv2d

from drystep import simulate


@pytest.mark.parametrize(("batch", "together"), [(2, 2), (32, 32), (66, 22), (37, 1)])
def test_buffers_of_deformable_convolutions(batch: int, together: int) -> None:
    """Patches of as many images as divide the batch, at most 32."""

    def build(device: torch.device):
        layer = DeformConv2d(8, 16, 3, padding=1).to(device)
        images = torch.empty(batch, 8, 10, 12, device=device)
        offsets = torch.empty(batch, 2 * 9, 10, 12, device=device)
        return lambda: layer(images, offsets).sum().backward()

    trace = simulate(build).trace
    *_, forward, backward = (a.requested_bytes for a in trace.allocations if a.category == "workspace")
    patches = 8 * 9 * together * 10 * 12
    assert forward == 4 * (2 * batch * 16 * 10 * 12 + patches)
    assert backward == 4 * (batch * 16 * 10 * 12 + patches)
