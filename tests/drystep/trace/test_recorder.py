import gc

import pytest
import torch
from torch import nn

from drystep.trace.recorder import OperatorRules, record
from drystep.trace.trace import Trace

META = torch.device("meta")


def _bytes(trace: Trace, category: str) -> list[int]:
    return [a.requested_bytes for a in trace.allocations if a.category == category]


def _alive_after(trace: Trace) -> set[int]:
    alive: set[int] = set()
    for index, born, _ in trace.events:
        (alive.add if born else alive.remove)(index)
    return alive


def _build(device: torch.device, optimizer: type[torch.optim.Optimizer] = torch.optim.AdamW):
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.ReLU(), nn.Linear(16, 4, bias=False)).to(device)
    sgd = optimizer(model.parameters(), lr=0.1)
    data = torch.empty(32, 8, device=device)

    def step() -> None:
        sgd.zero_grad()
        model(data).sum().backward()
        sgd.step()

    return step


def test_storages_are_sorted_by_what_they_are_for() -> None:
    trace = record(_build, META, iterations=2)
    weights = [4 * 8 * 16, 4 * 16 * 4]
    assert _bytes(trace, "parameters") == weights
    assert _bytes(trace, "inputs") == [4 * 32 * 8]
    assert sorted(_bytes(trace, "gradients")) == sorted(weights * 2)  # anew in every step
    assert sorted(_bytes(trace, "optimizer_state")) == sorted(weights * 2)  # two moments, once
    assert 4 * 32 * 16 in _bytes(trace, "activations")


def test_what_lives_on_is_parameters_gradients_state_and_data() -> None:
    trace = record(_build, META, iterations=3)
    kept = [trace.allocations[index] for index in _alive_after(trace)]
    assert {a.category for a in kept} == {"parameters", "gradients", "optimizer_state", "inputs"}


def test_phases() -> None:
    trace = record(_build, META, iterations=1)
    phases = [operator.phase for operator in trace.operators]
    assert list(dict.fromkeys(phases)) == ["build", "forward", "backward", "optimizer"]
    names = {phase: {o.name for o in trace.operators if o.phase == phase} for phase in phases}
    assert "mm.default" in names["forward"]
    assert "threshold_backward.default" in names["backward"]


def test_saved_tensors_die_in_backward() -> None:
    """Without a saved tensor to read, memory of the forward pass is gone when backward ends."""
    trace = record(_build, META, iterations=1)
    deaths = {index: trace.operators[operator].phase for index, born, operator in trace.events if not born}
    hidden = [
        i for i, a in enumerate(trace.allocations) if a.requested_bytes == 4 * 32 * 16 and a.category == "activations"
    ]
    assert hidden
    assert {deaths[index] for index in hidden} <= {"forward", "backward"}


def test_meta_and_cpu_leave_the_same_trace() -> None:
    signatures = []
    for device in (META, torch.device("cpu")):
        trace = record(lambda d: _build(d, torch.optim.SGD), device, iterations=2)
        start = trace.iteration_starts[0]
        signatures.append([(trace.allocations[i].requested_bytes, born) for i, born, _ in trace.events[start:]])
    assert signatures[0] == signatures[1]


def test_python_values_are_not_on_the_device() -> None:
    def build(device: torch.device):
        def step() -> None:
            torch.tensor(1.0)
            torch.tensor([1.0, 2.0])

        return step

    assert record(build, torch.device("cpu"), iterations=1).allocations == []


def test_views_share_their_storage_and_empty_tensors_have_none() -> None:
    def build(device: torch.device):
        def step() -> None:
            x = torch.empty(6, 4, device=device)
            x.view(-1)[2:].t()
            torch.empty(0, 7, device=device)

        return step

    assert [a.requested_bytes for a in record(build, META, iterations=1).allocations] == [96]


def test_a_cycle_is_freed_between_steps() -> None:
    def build(device: torch.device):
        def step() -> None:
            cycle: list = [torch.empty(100, device=device)]
            cycle.append(cycle)

        return step

    trace = record(build, META, iterations=3)
    assert [born for _, born, _ in trace.events] == [True, False, True, False, True]
    assert gc.isenabled()


def test_nothing_is_recorded_after_the_last_step() -> None:
    trace = record(_build, META, iterations=1)
    events = len(trace.events)
    gc.collect()
    assert len(trace.events) == events


def test_at_least_one_step() -> None:
    with pytest.raises(ValueError, match="iterations must be at least 1, not 0"):
        record(_build, META, iterations=0)


def test_what_counting_raises_costs_no_memory_figure() -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    def build(device: torch.device):
        x = torch.empty(10, device=device)
        return lambda: x + 1

    trace = record(build, torch.device("meta"), 3, OperatorRules(work_of=fails))
    assert trace.uncounted == {"add.Tensor": "ZeroDivisionError"}
    assert [a.requested_bytes for a in trace.allocations] == [40] * 4
