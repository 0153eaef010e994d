import pytest
import torch

from drystep import simulate

SIDE = 256


def test_an_8_bit_update_moves_what_the_kernel_reads_and_writes() -> None:
    """Gradient, parameter and two states with a scale for each 256 values; small parameters keep 32-bit states."""
    bitsandbytes = pytest.importorskip("bitsandbytes")

    def build_step(device: torch.device):
        layer = torch.nn.Linear(SIDE, SIDE, device=device)
        optimizer = bitsandbytes.optim.AdamW8bit(layer.parameters())
        data = torch.empty(4, SIDE, device=device)

        def step() -> None:
            optimizer.zero_grad()
            layer(data).sum().backward()
            optimizer.step()

        return step

    simulation = simulate(build_step)
    trace = simulation.trace
    moved = {
        trace.operators[number].name: work.moved_bytes
        for number, work in trace.work
        if trace.operators[number].phase == "optimizer" and work.kind == "optimizer"
    }
    values, scales, tables = SIDE * SIDE, 2 * 4 * SIDE * SIDE // 256, 2 * 4 * 256
    assert moved["optimizer_update_8bit_blockwise.default"] == values * (4 + 2 * 4 + 2 * 2) + 2 * scales + tables
    assert moved["optimizer_update_32bit.default"] == SIDE * (4 + 2 * 4 + 2 * 2 * 4)
    # Two tables are shared by all parameters. Each of the bias' blocks has 512 bytes at least.
    assert simulation.at_peak["optimizer_state"] == 2 * values + scales + tables + 2 * 4 * SIDE
