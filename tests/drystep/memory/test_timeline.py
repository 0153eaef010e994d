import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from drystep import simulate
from drystep.memory.timeline import timeline
from drystep.operators import Workspace
from drystep.trace.recorder import record
from drystep.trace.trace import Allocation, Operator, Trace

MIB = 1 << 20


def _mlp(device: torch.device):
    model = nn.Sequential(nn.Linear(256, 1024, bias=False), nn.ReLU(), nn.Linear(1024, 256, bias=False)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = torch.empty(1024, 256, device=device)

    def step() -> None:
        optimizer.zero_grad()
        model(data).sum().backward()
        optimizer.step()

    return step


def test_the_peak_of_two_linear_layers_by_hand() -> None:
    """Weights and data are 1 MiB each, hidden tensors 4 MiB. The peak is ReLU's backward: its saved output, gradients
    coming in and going out, and the second weight's gradient. The loss and its gradient are scalars of 512 bytes each.
    """
    shown = timeline(record(_mlp, torch.device("meta"), 3))  # without workspaces
    assert (shown.peak_operator.name, shown.peak_operator.module) == ("threshold_backward.default", "1")
    assert shown.peak.allocated_bytes == 16 * MIB + 1024
    rows = {row.module: row.by_category for row in shown.by_module()}
    assert rows == {
        "0": {"parameters": MIB},
        "1": {"activations": 4 * MIB, "other": 4 * MIB},
        "2": {"parameters": MIB, "gradients": MIB, "other": 4 * MIB},
        "": {"inputs": MIB, "activations": 1024},
    }
    assert shown.by_category() == {
        "other": 8 * MIB, "activations": 4 * MIB + 1024, "parameters": 2 * MIB, "gradients": MIB, "inputs": MIB,
    }  # fmt: skip
    assert shown.by_operator()["relu.default"] == shown.by_operator()["threshold_backward.default"] == 4 * MIB
    assert shown.by_operator()["mm.default"] == 5 * MIB
    hidden = [block for block in shown.alive if block.operator == "relu.default"]
    assert [(block.shape, block.dtype, block.phase) for block in hidden] == [((1024, 1024), "float32", "forward")]


def test_a_simulation_and_its_timeline_agree() -> None:
    simulation = simulate(_mlp)
    shown = simulation.timeline
    assert shown.peak.allocated_bytes == simulation.peak_allocated_bytes == sum(b.size_bytes for b in shown.alive)
    assert shown.peak.allocated_bytes == max(moment.allocated_bytes for moment in shown.moments)
    assert shown.peak_reserved_bytes == simulation.peak_reserved_bytes
    assert shown.by_category() == {kind: size for kind, size in simulation.at_peak.items() if size}
    assert shown.peak_operator.phase == simulation.peak_phase
    assert {operator.phase for operator in shown.operators} == {"forward", "backward", "optimizer"}


def _hand_made() -> Trace:
    """Two steps: 2 MiB and 30 MiB are made by one operator, and the larger one dies at the next."""
    operators = [Operator(name, "forward", module) for name, module in (("make", "a.b"), ("drop", "")) * 2]
    allocations = [Allocation(size * MIB, at, "activations") for size, at in ((2, 0), (30, 0), (2, 2), (30, 2))]
    events = [(0, True, 0), (1, True, 0), (1, False, 1), (0, False, 1)]
    events += [(index + 2, born, operator + 2) for index, born, operator in events]
    return Trace(
        allocations=allocations, operators=operators, events=events, iteration_starts=[0, 4], first_operators=[0, 2]
    )


def test_moments_of_the_last_step() -> None:
    shown = timeline(_hand_made())
    assert shown.first_operator == 2
    assert [moment.operator for moment in shown.moments] == [2, 2, 3, 3]
    assert [moment.allocated_bytes // MIB for moment in shown.moments] == [2, 32, 2, 0]
    assert {moment.reserved_bytes for moment in shown.moments} == {50 * MIB}  # 20 and 30, from the first step
    assert shown.failed_request_bytes is None


def test_moments_of_all_steps() -> None:
    shown = timeline(_hand_made(), all_steps=True)
    assert [moment.reserved_bytes // MIB for moment in shown.moments] == [20, 50, 50, 50, 50, 50, 50, 50]
    assert shown.first_operator == 0
    assert shown.peak.operator == 2  # still that of the last step


def test_a_run_shows_the_step_of_its_peak() -> None:
    trace = _hand_made()
    trace.steady_steps = 2
    trace.allocations[3].requested_bytes = 29 * MIB
    shown = timeline(trace)
    assert [moment.allocated_bytes // MIB for moment in shown.moments] == [2, 32, 2, 0]
    assert [moment.operator for moment in shown.moments] == [0, 0, 1, 1]
    assert [operator.name for operator in shown.operators] == ["make", "drop"]


def test_workspaces_that_are_left_out_have_no_moment() -> None:
    trace = _hand_made()
    trace.allocations[3].workspace = Workspace(0, soft=True, kept=False, certain=False)
    shown = timeline(trace)
    assert [moment.allocated_bytes // MIB for moment in shown.moments] == [2, 0]
    assert [block.size_bytes for block in shown.alive] == [2 * MIB]


def test_what_dies_between_steps_does_so_at_the_first_operator_of_the_step() -> None:
    operators = [Operator("make", "forward"), Operator("step", "optimizer"), Operator("make", "forward")]
    allocations = [Allocation(2 * MIB, 0, "gradients"), Allocation(MIB, 2, "activations")]
    events = [(0, True, 0), (0, False, 1), (1, True, 2)]
    trace = Trace(allocations, operators, events, iteration_starts=[0, 1], first_operators=[0, 2])
    shown = timeline(trace)
    assert [operator.name for operator in shown.operators] == ["make"]
    assert [(moment.operator, moment.allocated_bytes // MIB) for moment in shown.moments] == [(2, 0), (2, 1)]


def test_out_of_memory_shows_the_step_that_failed() -> None:
    shown = timeline(_hand_made(), capacity_bytes=49 * MIB)
    assert shown.failed_request_bytes == 30 * MIB
    assert [moment.allocated_bytes // MIB for moment in shown.moments] == [2, 2]
    assert [block.size_bytes for block in shown.alive] == [2 * MIB]
    assert shown.peak_operator.name == "make"


def test_a_simulation_under_a_capacity_shows_that() -> None:
    assert simulate(_mlp, capacity_bytes=8 * MIB).timeline.failed_request_bytes is not None


def test_depth_of_modules() -> None:
    shown = timeline(_hand_made())
    deeper = replace(shown.alive[0], module="a.c.d", size_bytes=MIB)
    shown = replace(shown, alive=(*shown.alive, deeper))
    assert [(row.module, row.total_bytes // MIB) for row in shown.by_module(1)] == [("a", 33)]
    assert [(row.module, row.total_bytes // MIB) for row in shown.by_module(2)] == [("a.b", 32), ("a.c", 1)]
    with pytest.raises(ValueError, match="depth must be at least 1, not 0"):
        shown.by_module(0)


def test_json_holds_the_same() -> None:
    shown = timeline(_hand_made())
    data = json.loads(json.dumps(shown.as_dict()))
    assert data["peak"] == {
        "operator": 2, "allocated_bytes": 32 * MIB, "reserved_bytes": 50 * MIB,
        "name": "make", "phase": "forward", "module": "a.b",
    }  # fmt: skip
    assert data["moments"]["allocated_bytes"] == [2 * MIB, 32 * MIB, 2 * MIB, 0]
    assert [operator["index"] for operator in data["operators"]] == [2, 3]
    assert data["by_module"] == [{"module": "a.b", "total_bytes": 32 * MIB, "by_category": {"activations": 32 * MIB}}]
    assert [block["size_bytes"] for block in data["alive"]] == [30 * MIB, 2 * MIB]
