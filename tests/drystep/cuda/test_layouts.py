import pytest
import torch
import torch.nn.functional as F
from torch import nn

from drystep.cuda.layouts import convolution_layout
from drystep.simulator import trace_steps

META, CPU = torch.device("meta"), torch.device("cpu")
LAST = torch.channels_last


def _steps(build, device: torch.device) -> list[tuple[str, int]]:
    trace = trace_steps(build, device, "torch-2.11", "fp32", iterations=1)
    operators = [trace.operators[allocation.operator] for allocation in trace.allocations]
    return [
        (operator.name, allocation.requested_bytes)
        for operator, allocation in zip(operators, trace.allocations, strict=True)
        if operator.phase != "build"
    ]


@pytest.mark.parametrize("input_format", [torch.contiguous_format, LAST])
@pytest.mark.parametrize("weight_format", [torch.contiguous_format, LAST])
@pytest.mark.parametrize("groups", [1, 8])
def test_convolutions_have_the_layout_of_the_real_ones(input_format, weight_format, groups: int) -> None:
    strides = {}

    def build(device: torch.device):
        conv = nn.Conv2d(8, 16, 3, groups=groups).to(device).to(memory_format=weight_format)
        x = torch.empty(2, 8, 9, 9, device=device).to(memory_format=input_format).requires_grad_()

        def step() -> None:
            y = conv(x)
            y.square().sum().backward()
            strides[device] = (y.stride(), x.grad.stride(), conv.weight.grad.stride())

        return step

    assert _steps(build, META) == _steps(build, CPU)
    assert strides[META] == strides[CPU]


def test_double_precision_is_never_channels_last() -> None:
    x = torch.empty(2, 8, 9, 9).to(memory_format=LAST)
    assert convolution_layout(x, torch.empty(4, 8, 3, 3)) == LAST
    assert convolution_layout(x.double(), torch.empty(4, 8, 3, 3).double()) == torch.contiguous_format


@pytest.mark.parametrize("loss", [F.mse_loss, F.smooth_l1_loss, F.binary_cross_entropy])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_reduced_loss_keeps_the_room_of_all(loss, reduction: str) -> None:
    def build(device: torch.device):
        x = torch.full((10, 100), 0.5, device=device)
        return lambda: loss(x, x, reduction=reduction)

    assert _steps(build, META) == _steps(build, CPU) == [(f"{loss.__name__}.default", 4000)]
