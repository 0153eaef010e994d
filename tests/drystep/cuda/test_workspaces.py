import torch
from torch import nn

from drystep.memory.replay import replay
from drystep.simulator import trace_steps
from drystep.trace.trace import Allocation

META = torch.device("meta")
CUBLAS = 8_519_680  # the figure of out-of-memory reports, such as pytorch issue 95668


def _workspaces(build) -> list[Allocation]:
    trace = trace_steps(build, META, "torch-2.11", "fp32", iterations=1)
    return [allocation for allocation in trace.allocations if allocation.category == "workspace"]


def test_each_thread_has_one_cublas_workspace_for_good() -> None:
    def build(device: torch.device):
        model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)).to(device)
        data = torch.empty(4, 8, device=device)
        return lambda: model(data).sum().backward()

    trace = trace_steps(build, META, "torch-2.11", "fp32", iterations=3)
    workspaces = {i: a for i, a in enumerate(trace.allocations) if a.category == "workspace"}
    assert [a.requested_bytes for a in workspaces.values()] == [CUBLAS, CUBLAS]
    assert not any(a.workspace.soft for a in workspaces.values())
    assert [trace.operators[a.operator].phase for a in workspaces.values()] == ["forward", "backward"]
    assert not [index for index, born, _ in trace.events if index in workspaces and not born]
    assert replay(trace).at_peak["workspace"] in {CUBLAS, 2 * CUBLAS}


def test_products_on_the_host_need_no_workspace() -> None:
    host = torch.empty(4, 4)
    assert _workspaces(lambda device: lambda: host @ host) == []
