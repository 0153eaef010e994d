"""Connectionist temporal classification on meta, against the same step on the CPU and against CUDA's formulas."""

import pytest
import torch
import torch.nn.functional as F

from drystep import simulate
from drystep.simulator import trace_steps
from drystep.trace.trace import Trace

META, CPU = torch.device("meta"), torch.device("cpu")
TIMES, BATCH, CLASSES, LONGEST = 50, 3, 20, 7


def _step(device: torch.device, targets: str, lengths: str):
    """Train log-probabilities (50, 3, 20) on targets of 7 labels."""
    scores = torch.nn.Parameter(torch.zeros(TIMES, BATCH, CLASSES, device=device))
    labels = torch.ones(BATCH, LONGEST, dtype=torch.int64, device=device)
    labels = labels.flatten() if targets == "concatenated" else labels
    of_inputs, of_targets = torch.full((BATCH,), TIMES), torch.full((BATCH,), LONGEST)

    def step() -> None:
        scores.grad = None
        ends = {
            "numbers": lambda: (of_inputs.tolist(), of_targets.tolist()),
            "host": lambda: (of_inputs, of_targets),
            "device": lambda: (of_inputs.to(device), of_targets.to(device)),
        }[lengths]()
        F.ctc_loss(scores.log_softmax(-1), labels, *ends).backward()

    return step


def _of_loss(trace: Trace) -> list[tuple[str, int]]:
    return [
        (trace.operators[allocation.operator].phase, allocation.requested_bytes)
        for allocation in trace.allocations
        if "_ctc_loss" in trace.operators[allocation.operator].name
    ]


@pytest.mark.parametrize("lengths", ["numbers", "host", "device"])
@pytest.mark.parametrize("targets", ["padded", "concatenated"])
def test_the_loss_allocates_what_its_kernel_on_cuda_does(targets: str, lengths: str) -> None:
    """Losses and beginnings in forward, the gradient and the ends in backward (`cuda/LossCTC.cu`)."""
    states_bytes = 4 * BATCH * TIMES * (2 * LONGEST + 1)
    expected = [
        ("forward", 4 * BATCH), ("forward", states_bytes), ("backward", 4 * TIMES * BATCH * CLASSES),
        ("backward", states_bytes),
    ]  # fmt: skip
    for device in (META, CPU):
        trace = trace_steps(lambda device: _step(device, targets, lengths), device, iterations=1)
        assert _of_loss(trace) == expected


@pytest.mark.parametrize(("place", "longest"), [("host", 5), ("device", 5), ("unknown", 4)])
def test_unequal_lengths_of_targets_in_one_row(place: str, longest: int) -> None:
    """The longest of 2, 5 and 3 labels; unknown lengths are assumed to be equal, and the assumption is listed."""

    def build(device: torch.device):
        scores = torch.zeros(TIMES, BATCH, CLASSES, device=device).log_softmax(-1)
        labels = torch.ones(10, dtype=torch.int64, device=device)
        ends = torch.full((BATCH,), TIMES), torch.tensor([2, 5, 3])
        if place != "host":
            ends = tuple(end.to(device) for end in ends)
        if place == "unknown":
            ends = ends[0], torch.empty(BATCH, dtype=torch.int64, device=device)
        return lambda: F.ctc_loss(scores, labels, *ends)

    simulation = simulate(build, iterations=1)
    assert _of_loss(simulation.trace)[1] == ("forward", 4 * BATCH * TIMES * (2 * longest + 1))
    asked = [each.answers for each in simulation.assumptions if each.kind == "assumed"]
    assert asked == ([(4,)] if place == "unknown" else [])


def test_one_sequence_without_a_batch() -> None:
    def build(device: torch.device):
        scores = torch.nn.Parameter(torch.zeros(TIMES, CLASSES, device=device))
        labels = torch.ones(LONGEST, dtype=torch.int64, device=device)
        return lambda: F.ctc_loss(scores.log_softmax(-1), labels, [TIMES], [LONGEST]).backward()

    meta, cpu = (_of_loss(trace_steps(build, device, iterations=1)) for device in (META, CPU))
    assert meta == cpu
