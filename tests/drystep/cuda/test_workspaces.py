import pytest
import torch
import torch.nn.functional as F
from torch import nn

from drystep.memory.replay import replay
from drystep.simulator import simulate, trace_steps
from drystep.trace.trace import Allocation, Operator, Trace

META = torch.device("meta")
MIB = 1 << 20
CUBLAS = 8_519_680  # the figure of out-of-memory reports, such as pytorch issue 95668


def _workspaces(build, profile: str = "torch-2.11") -> list[Allocation]:
    trace = trace_steps(build, META, profile, "fp32", iterations=1)
    return [allocation for allocation in trace.allocations if allocation.category == "workspace"]


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


def _sizes(build) -> list[int]:
    workspaces = _workspaces(build)
    assert all(workspace.soft for workspace in workspaces)
    return [workspace.requested_bytes for workspace in workspaces]


def test_each_thread_has_one_cublas_workspace_for_good() -> None:
    def build(device: torch.device):
        model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)).to(device)
        data = torch.empty(4, 8, device=device)
        return lambda: model(data).sum().backward()

    trace = trace_steps(build, META, "torch-2.11", "fp32", iterations=3)
    workspaces = {i: a for i, a in enumerate(trace.allocations) if a.category == "workspace"}
    assert [a.requested_bytes for a in workspaces.values()] == [CUBLAS, CUBLAS]
    assert not any(a.soft for a in workspaces.values())
    assert [trace.operators[a.operator].phase for a in workspaces.values()] == ["forward", "backward"]
    assert not [index for index, born, _ in trace.events if index in workspaces and not born]
    assert replay(trace).at_peak["workspace"] in {CUBLAS, 2 * CUBLAS}


def test_products_on_the_host_need_no_workspace() -> None:
    host = torch.empty(4, 4)
    assert _workspaces(lambda device: lambda: host @ host) == []


@pytest.mark.parametrize(
    ("options", "copied"),
    [
        ({"size": 1}, 2 * 8 * 10 * 10 + 16 * 8),  # the input and the filter
        ({"size": 3, "stride": 2}, 2 * 8 * 10 * 10 + 16 * 8 * 9),
        ({"size": 5}, 2 * 8 * 10 * 10 + 16 * 8 * 25),
        ({"size": 3, "dilation": 2}, 2 * 8 * 10 * 10 + 16 * 8 * 9),
    ],
)
def test_a_dense_convolution_copies_its_input_in_the_forward_pass(options: dict, copied: int) -> None:
    assert _sizes(_convolution(**options)) == [4 * copied]
    assert _sizes(_convolution(**options, dtype=torch.float16)) == [2 * copied]


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


def test_a_grouped_convolution_copies_both_maps_in_the_backward_pass() -> None:
    """The input's gradient and the filter's each copy the input, the filter and the output's gradient (8x8)."""
    copied = 4 * (2 * 8 * 10 * 10 + 16 * 4 * 9 + 2 * 16 * 8 * 8)
    assert _sizes(_convolution(size=3, groups=2)) == [copied, copied]


def test_transposed_convolutions_have_none() -> None:
    weight = torch.empty(8, 16, 2, 2, device=META)
    images = torch.empty(2, 8, 10, 10, device=META)
    assert _sizes(lambda device: lambda: F.conv_transpose2d(images, weight, stride=2)) == []


def _trace(*events: tuple[int, bool, bool]) -> Trace:
    """Allocations of (MiB, soft, freed at once)."""
    trace = Trace(operators=[Operator("op", "forward")], iteration_starts=[0])
    for mib, soft, freed in events:
        index = len(trace.allocations)
        trace.allocations.append(Allocation(mib * MIB, 0, "workspace" if soft else "activations", soft))
        trace.events.append((index, True, 0))
        if freed:
            trace.events.append((index, False, 0))
    return trace


def test_a_soft_request_counts_only_when_asked_for() -> None:
    trace = _trace((20, False, False), (30, True, True))
    assert replay(trace).peak_reserved_bytes == 20 * MIB
    assert replay(trace, workspaces=True).peak_reserved_bytes == 50 * MIB


def test_a_soft_request_that_fails_is_skipped_after_the_cache_was_flushed() -> None:
    trace = _trace((20, False, False), (10, False, True), (30, True, True), (12, False, False))
    outcome = replay(trace, capacity_bytes=40 * MIB, workspaces=True)
    assert outcome.verdict == "fits_with_retries"
    assert outcome.alloc_retries == 1  # the ladder was climbed for the workspace: the 10 cached MiB are gone
    assert outcome.peak_reserved_bytes == 32 * MIB
    assert outcome.at_peak["workspace"] == 0


def test_the_interval_is_without_and_with_workspaces() -> None:
    def build(device: torch.device):
        layer = nn.Conv2d(64, 8, 1, bias=False).to(device)
        images = torch.empty(4, 64, 256, 256, device=device)  # 64 MiB, and a copy of it for the convolution
        return lambda: layer(images)

    simulation = simulate(build)
    low, high = simulation.peak_reserved_interval_bytes
    assert low == simulation.peak_reserved_bytes
    assert high - low == (64 + 2) * MIB  # the copy of the filter starts another 2 MiB
