"""What operators allocate inside: one tensor as large as their input, on the cards where that was recorded."""

import torch

from drystep import Rules
from drystep.simulator import trace_steps

META = torch.device("meta")


def _temporaries(operation, architecture: str = "9.0") -> list[tuple[int, str]]:
    def build(device: torch.device):
        tensor = torch.empty(4, 6, 10, device=device, requires_grad=True)
        return lambda: operation(tensor).backward(torch.empty(4, 6, 10, device=device))

    trace = trace_steps(build, META, Rules(), "fp32", iterations=1)
    return [
        (each.requested_bytes, trace.operators[each.operator].phase)
        for each in trace.allocations
        if each.workspace is not None and each.workspace.is_requested(False, architecture)
    ]


def test_the_gradient_of_softmax_is_multiplied_by_its_output_first() -> None:
    assert _temporaries(lambda tensor: tensor.softmax(-1)) == [(4 * 240, "backward")]


def test_several_dimensions_are_rolled_one_by_one() -> None:
    assert _temporaries(lambda tensor: torch.roll(tensor, (1, 2), (0, 1))) == [
        (4 * 240, "forward"),
        (4 * 240, "backward"),
    ]
    assert _temporaries(lambda tensor: torch.roll(tensor, 1, 0)) == []


def test_other_cards_are_left_as_they_were() -> None:
    assert _temporaries(lambda tensor: tensor.softmax(-1), "8.6") == _temporaries(lambda tensor: tensor, "") == []


def test_sums_of_exponentials_hold_the_exponentials_on_every_card() -> None:
    def build(device: torch.device):
        tensor = torch.empty(4, 6, 10, device=device)
        return lambda: tensor.logsumexp(-1)

    trace = trace_steps(build, META, Rules(), "fp32", iterations=1)
    assert [(each.requested_bytes, each.category) for each in trace.allocations][1:] == [
        (4 * 24, "inputs"),  # no model was called
        (4 * 240, "workspace"),
    ]
