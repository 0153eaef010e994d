"""A step that really runs on the CPU."""

import pytest
import torch
from torchvision.ops import nms

from drystep import SimulationError, simulate
from drystep.fit.probe import probe
from drystep.memory.replay import replay

BOX_BYTES = 4 << 20


def _build_step(device: torch.device):
    """Of eight boxes, every second one covers the one before it; non-maximum suppression keeps four."""
    layer = torch.nn.Linear(4, 4).to(device)
    optimizer = torch.optim.SGD(layer.parameters(), 0.0)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(4))
        layer.bias.zero_()
    corners = torch.arange(4.0).repeat_interleave(2) * 100
    boxes = torch.stack([corners, corners, corners + 10, corners + 10], 1).to(device)

    def step() -> None:
        optimizer.zero_grad()
        moved = layer(boxes)
        kept = nms(moved.detach(), torch.ones(8, device=device), 0.5)
        wide = moved[kept].repeat(1, BOX_BYTES // 16)  # four floats before
        wide.sum().backward()
        optimizer.step()

    return step


@pytest.mark.parametrize("known_limit_bytes", [0, None])
def test_a_simulation_with_its_answers_needs_what_it_needs(known_limit_bytes: int | None) -> None:
    real = probe(_build_step)
    simulation = simulate(_build_step, oracles=real.reads, known_limit_bytes=known_limit_bytes)
    assert simulation.peak_allocated_bytes == replay(real.trace).peak_allocated_bytes
    shares = [(operator, rows, most) for _, operator, rows, most in real.reads.shares()]
    assert shares == [("torchvision.nms.default", 4, 8)]
    assumed = simulate(_build_step, known_limit_bytes=0)
    assert assumed.peak_allocated_bytes == simulation.peak_allocated_bytes + 4 * BOX_BYTES


def test_each_step_is_recorded() -> None:
    assert [len(step) for step in probe(_build_step, iterations=2).reads.steps] == [0, 1, 1]


def test_a_step_that_fails_is_named() -> None:
    def build(device: torch.device):
        return lambda: torch.ones(3, device=device).view(2, 2)

    with pytest.raises(SimulationError, match=r"test_probe.py:\d+ .*: the step raised RuntimeError: shape"):
        probe(build)
    with pytest.raises(ValueError, match="unknown precision 'fp3'"):
        probe(_build_step, precision="fp3")
