import pytest
import torch
from torch import nn

from drystep import simulate
from drystep.trace.leaks import leak_warning, leftovers
from drystep.trace.recorder import record

META = torch.device("meta")


def _build(device: torch.device, keep: str):
    model = nn.Linear(1000, 1000).to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    data = torch.empty(50, 1000, device=device)
    kept: list = []
    last = None

    def step() -> None:
        nonlocal last
        optimizer.zero_grad()
        output = model(data)
        last = loss = output.sum()
        if keep == "outputs":
            kept.append(output)
        if keep == "losses":
            kept.append(loss)
        if keep == "numbers":
            kept.append(1.0)
        loss.backward()
        optimizer.step()
        if keep == "cycle":
            cycle: list = [torch.empty(100, device=device)]
            cycle.append(cycle)

    return step


@pytest.mark.parametrize(("keep", "per_step_bytes"), [("outputs", 50 * 1000 * 4), ("losses", 4)])
def test_what_every_step_leaves_behind_is_named(keep: str, per_step_bytes: int) -> None:
    (warning,) = simulate(lambda device: _build(device, keep)).warnings
    assert warning.startswith(f"the step never frees {per_step_bytes:,} bytes")
    line = "output = model(data)" if keep == "outputs" else "last = loss = output.sum()"
    assert "test_leaks.py:" in warning and f"`{line}`" in warning


@pytest.mark.parametrize("keep", ["nothing", "numbers", "cycle"])
def test_a_step_that_frees_is_fine(keep: str) -> None:
    """Optimizer state appears once, gradients and the last loss are replaced, cycles are collected."""
    assert simulate(lambda device: _build(device, keep)).warnings == ()


def test_what_happens_once_is_no_growth() -> None:
    def build(device: torch.device):
        steps, kept = [], []

        def step() -> None:
            steps.append(1)
            if len(steps) == 2:
                kept.append(torch.empty(100, device=device))

        return step

    assert leak_warning(record(build, META, 4)) is None
    assert leak_warning(record(build, META, 3)) is None


def test_two_steps_say_nothing() -> None:
    assert leftovers(record(lambda device: _build(device, "outputs"), META, 2)) == []
