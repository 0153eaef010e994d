"""Operators that are made of others are seen as these, also where autograd does not take them apart."""

import pytest
import torch

from drystep.simulator import trace_steps


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_inference_mode_shows_the_parts(device: str) -> None:
    """`matmul` of (2, 3, 4) and (4, 5) is one product of (6, 4) and (4, 5), with a workspace of cuBLAS."""

    def build(device: torch.device):
        left, right = torch.zeros(2, 3, 4, device=device), torch.zeros(4, 5, device=device)

        @torch.inference_mode()
        def step() -> None:
            torch.matmul(left, right)

        return step

    trace = trace_steps(build, torch.device(device), iterations=1)
    names = [operator.name for operator in trace.operators if operator.phase == "forward"]
    assert "mm.default" in names
    assert "matmul.default" not in names
    *_, product, workspace = trace.allocations
    assert product.requested_bytes == 2 * 3 * 5 * 4
    assert workspace.category == "workspace"
