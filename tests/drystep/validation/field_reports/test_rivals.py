"""What other estimators say of steps whose parameters and tensors can be counted by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from drystep import simulate
from drystep.validation.field_reports.rivals import accelerate_bytes, memtracker_bytes
from drystep.validation.rebuilds.training_step import TrainingStep

PARAMETERS = 64 * 256 + 256 + 2 * 256 + 2 * 256 + 1
"""A linear layer; a batch norm's weights, its statistics and its count."""


def small(dtype: torch.dtype = torch.float32):
    def build_step(device: torch.device) -> TrainingStep:
        placed = {"device": device, "dtype": dtype}
        model = nn.Sequential(nn.Linear(64, 256, **placed), nn.BatchNorm1d(256, **placed))

        def make_batch() -> tuple[torch.Tensor]:
            return (torch.empty(8, 64, device=device, dtype=dtype),)

        optimizer = torch.optim.Adam(model.parameters())
        return TrainingStep(model, optimizer, make_batch, lambda images: F.relu(model(images)).sum())

    return build_step


@pytest.mark.parametrize(
    ("dtype", "precision", "copies"),
    [(torch.float32, "fp32", 4), (torch.float32, "amp-fp16", 2), (torch.bfloat16, "fp32", 2)],
)
def test_the_rule_of_accelerate(dtype: torch.dtype, precision: str, copies: int) -> None:
    """In float32 four copies of the parameters, in half precision two copies in float32."""
    trace = simulate(small(dtype), precision=precision).trace
    assert accelerate_bytes(trace) == copies * 4 * PARAMETERS


def test_it_is_what_accelerate_itself_computes() -> None:
    estimate = pytest.importorskip("accelerate.commands.estimate")
    for precision, dtype in (("fp32", "float32"), ("amp-fp16", "float16")):
        theirs = max(estimate.estimate_training_usage(4 * PARAMETERS, dtype).values())
        assert accelerate_bytes(simulate(small(), precision=precision).trace) == theirs


def test_memtracker_counts_the_tensors_of_a_step() -> None:
    build_step = small()
    simulation = simulate(build_step)
    tracked, message = memtracker_bytes(build_step, simulation.trace)
    assert message == "" and tracked is not None
    assert 4 * 4 * (PARAMETERS - 513) < tracked < simulation.peak_allocated_bytes  # weights, gradients, two moments


def test_where_memtracker_says_nothing() -> None:
    mixed = simulate(small(), precision="amp-fp16").trace
    assert memtracker_bytes(small(), mixed) == (None, "MemTracker cannot follow CUDA's mixed precision without a GPU")

    def build_step(device: torch.device):
        weight = nn.Parameter(torch.empty(4, device=device))
        return lambda: weight.sum().backward()

    tracked, message = memtracker_bytes(build_step, simulate(build_step).trace)
    assert tracked is None and message.startswith("AttributeError: ")
