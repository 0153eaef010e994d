"""Which workspaces convolutions request, by card, version and shape. Sizes are by arithmetic."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from drystep.cuda.rules import Rules
from drystep.operators import Workspace
from drystep.simulator import simulate, trace_steps

META = torch.device("meta")
MIB = 1 << 20
WINOGRAD = 36 * 4 * (2 * 3 * 3 * (8 + 16) + 16 * 8)  # 2 images of 10x10: 3x3 tiles of 4x4 outputs


def _convolution(*, size: int, channels: int = 8, dtype: torch.dtype = torch.float32, layout=None, **options):
    """A step of one convolution of 2 images of 10x10 whose input wants a gradient."""
    options = {"out_channels": 16, "stride": 1, "groups": 1, **options}

    def build(device: torch.device):
        layer = nn.Conv2d(channels, kernel_size=size, bias=False, **options).to(device, dtype)
        images = torch.empty(2, channels, 10, 10, device=device, dtype=dtype, requires_grad=True)
        if layout is not None:
            images = images.detach().contiguous(memory_format=layout).requires_grad_()
        return lambda: layer(images).sum().backward()

    return build


def _requests(build, rules: Rules | str = "torch-2.11") -> list[Workspace]:
    trace = trace_steps(build, META, rules, "fp32", iterations=1)
    found = [allocation.workspace for allocation in trace.allocations if allocation.workspace is not None]
    assert all(workspace.soft and not workspace.kept for workspace in found)
    return found


def _sizes(build, architecture: str = "", rules: Rules | str = "torch-2.11", possible: bool = True) -> list[int]:
    return [each.size_bytes for each in _requests(build, rules) if each.is_requested(possible, architecture)]


@pytest.mark.parametrize(
    ("options", "copied"),
    [
        ({"size": 1}, 2 * 8 * 10 * 10 + 16 * 8),  # the input and the filter
        ({"size": 3, "stride": 2}, 2 * 8 * 10 * 10 + 16 * 8 * 9),
        ({"size": 5}, 2 * 8 * 10 * 10 + 16 * 8 * 25),
        ({"size": 3, "dilation": 2}, 2 * 8 * 10 * 10 + 16 * 8 * 9),
    ],
)
def test_a_dense_convolution_may_copy_its_input_in_the_forward_pass(options: dict, copied: int) -> None:
    build, half = _convolution(**options), _convolution(**options, dtype=torch.float16)
    assert _sizes(build) == _sizes(build, "8.6") == [4 * copied]
    assert _sizes(half) == _sizes(half, "7.0") == [2 * copied]
    assert _sizes(build, "7.0") == _sizes(half, "6.1") == []  # no tensor cores of that type
    assert _sizes(build, possible=False) == []


@pytest.mark.parametrize(
    "options",
    [
        {"size": 3},  # Winograd
        {"size": 3, "groups": 8},  # depthwise: PyTorch's own kernels
        {"size": 1, "layout": torch.channels_last},  # nothing to convert
        {"size": 1, "dtype": torch.float64},  # no tensor cores
    ],
)
def test_convolutions_without_a_copy(options: dict) -> None:
    assert _sizes(_convolution(**options)) == []


def test_a_grouped_convolution_may_copy_both_maps_in_the_backward_pass() -> None:
    """The input's gradient and the filter's each copy the input, the filter and the output's gradient (8x8)."""
    copied = 4 * (2 * 8 * 10 * 10 + 16 * 4 * 9 + 2 * 16 * 8 * 8)
    assert _sizes(_convolution(size=3, groups=2)) == [copied, copied]


def test_convolutions_in_three_dimensions_may_copy_as_well() -> None:
    layer = nn.Conv3d(8, 16, 3, bias=False, device=META)
    images = torch.empty(2, 8, 4, 10, 10, device=META)
    assert _sizes(lambda _: lambda: layer(images)) == [4 * (2 * 8 * 4 * 10 * 10 + 16 * 8 * 27)]


def test_transposed_convolutions_have_none() -> None:
    weight = torch.empty(8, 16, 2, 2, device=META)
    images = torch.empty(2, 8, 10, 10, device=META)
    assert _sizes(lambda device: lambda: F.conv_transpose2d(images, weight, stride=2)) == []


def test_volta_computes_filter_gradients_by_winograd_in_single_precision() -> None:
    build, rules = _convolution(size=3, padding=1), Rules("1.8")
    assert _sizes(build, "7.0", rules, possible=False) == [WINOGRAD]
    for architecture in ("", "6.0", "7.5", "8.0"):
        assert _sizes(build, architecture, rules, possible=False) == []
    for other in ({"size": 1}, {"size": 3, "stride": 2}, {"size": 3, "dilation": 2}, {"size": 3, "groups": 2}):
        assert _sizes(_convolution(**other), "7.0", rules) == []
    assert _sizes(_convolution(size=3, padding=1, dtype=torch.float16), "7.0", rules, possible=False) == []


@pytest.mark.parametrize(("architecture", "version"), [("7.0", "2.0"), ("7.5", "1.8"), ("7.5", "2.11")])
def test_where_winograd_is_not_known_it_is_possible(architecture: str, version: str) -> None:
    build, rules = _convolution(size=3, padding=1), Rules(version)
    assert _sizes(build, architecture, rules, possible=False) == []
    assert _sizes(build, architecture, rules) == [WINOGRAD]


def test_trials_take_the_largest_algorithm_that_fits() -> None:
    forward, image_gradient, filter_gradient = _requests(_convolution(size=3, padding=1), Rules(cudnn_benchmark=True))
    copies = 4 * (2 * 8 * 100 + 16 * 8 * 9 + 2 * 16 * 100)
    whole = 16 * 9 * 8 * (2 * (8 + 16) + 16 * 8)  # 10 + 2 padded to 16: 16 x 9 complex numbers
    tiled = 32 * 17 * 8 * (2 * (8 + 16) + 16 * 8)  # one tile holds 30x30 outputs
    patches = 4 * 8 * 9 * 2 * 100
    expected = sorted((copies, whole, tiled, WINOGRAD), reverse=True)
    assert [image_gradient.size_bytes, *image_gradient.smaller_bytes] == expected
    assert filter_gradient == image_gradient
    assert sorted((forward.size_bytes, *forward.smaller_bytes)) == sorted((*expected, patches))
    assert not forward.certain


def test_an_interval_with_trials_ends_at_the_card() -> None:
    def build(device: torch.device):
        layer = nn.Conv2d(2048, 2048, 3, padding=1, bias=False).to(device)  # transforms of whole images: 258 GiB
        images = torch.empty(1, 2048, 128, 64, device=device)
        return lambda: layer(images).sum().backward()

    simulation = simulate(build, Rules(cudnn_benchmark=True, card="v100-32gb"), gpus=("v100-32gb",))
    low, high = simulation.peak_reserved_interval_bytes
    assert low == simulation.peak_reserved_bytes
    tiled = 32 * 17 * 8 * (3 * 5 * 4096 + 2048 * 2048)
    assert tiled < high < simulation.fits["v100-32gb"].usable_bytes
    assert "cudnn.benchmark" in simulation.warnings[0]


def test_the_interval_is_without_and_with_workspaces() -> None:
    def build(device: torch.device):
        layer = nn.Conv2d(64, 8, 1, bias=False).to(device)
        images = torch.empty(4, 64, 256, 256, device=device)  # 64 MiB, and a copy of it for the convolution
        return lambda: layer(images)

    simulation = simulate(build)
    low, high = simulation.peak_reserved_interval_bytes
    assert low == simulation.peak_reserved_bytes
    assert high - low == (64 + 2) * MIB  # the copy of the filter starts another 2 MiB
