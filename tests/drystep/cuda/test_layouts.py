import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


@pytest.mark.parametrize("operation", [F.pixel_shuffle, F.pixel_unshuffle])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_shuffled_pixels_are_contiguous_as_on_cuda(operation, layout: torch.memory_format) -> None:
    """The kernel of the CPU alone keeps the layout of its input; the values are those of PyTorch's."""
    image = torch.rand(2, 8, 4, 6)
    expected = operation(image, 2)
    results: list[Tensor] = []

    def build(device: torch.device):
        input = image.to(device, memory_format=layout, copy=True)
        return lambda: results.append(operation(input, 2))

    traces = [trace_steps(build, torch.device(device), iterations=1) for device in ("cpu", "meta")]
    assert [result.stride() for result in results] == [expected.contiguous().stride()] * 2
    assert torch.equal(results[0], expected)
    last = [trace.allocations[-1].requested_bytes for trace in traces]
    assert last == [4 * image.numel()] * 2


@pytest.mark.parametrize(("trains", "copies"), [(True, 1), (False, 0)])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_gradients_of_batch_norm_have_the_layout_of_its_input(device: str, trains: bool, copies: int) -> None:
    """cuDNN, which takes the statistics of training, reads the output's gradient in that layout, as a copy."""
    gradients: list[Tensor] = []

    def build(device: torch.device):
        norm = torch.nn.BatchNorm2d(4).to(device).train(trains)
        image = torch.ones(2, 4, 3, 5, device=device, requires_grad=True)
        image.register_hook(gradients.append)
        channels_last = torch.ones(2, 4, 3, 5, device=device).contiguous(memory_format=torch.channels_last)
        return lambda: norm(image).backward(channels_last)

    trace = trace_steps(build, torch.device(device), iterations=1)
    assert gradients[0].stride() == (60, 15, 5, 1)
    names = [operator.name for operator in trace.operators if operator.phase == "backward"]
    assert names.count("contiguous.default") == copies
