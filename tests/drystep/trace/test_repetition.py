"""A step that is repeated in the trace is the step that would have run."""

from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
from torch import nn

from drystep.simulator import trace_steps
from drystep.trace.trace import Trace

META = torch.device("meta")
OPTIMIZERS: list[tuple[str, Callable[..., torch.optim.Optimizer]]] = [
    ("sgd", lambda parameters: torch.optim.SGD(parameters, 0.1)),
    ("momentum", lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9)),
    ("adamw", lambda parameters: torch.optim.AdamW(parameters)),
]


def _traces(build: Callable[[torch.device], Callable[[], object]], **options) -> tuple[Trace, Trace]:
    run, repeated = (trace_steps(build, META, repeats=repeats, **options) for repeats in (False, True))
    return run, repeated


def _assert_equal(run: Trace, repeated: Trace) -> None:
    for field in fields(Trace):
        assert getattr(run, field.name) == getattr(repeated, field.name), field.name


@pytest.mark.parametrize("rules", ["torch-2.11", "mm-2021"])
@pytest.mark.parametrize("precision", ["fp32", "amp-fp16"])
@pytest.mark.parametrize("optimizer", [name for name, _ in OPTIMIZERS])
def test_the_trace_is_the_same(optimizer: str, precision: str, rules: str) -> None:
    steps = 0

    def build(device: torch.device) -> Callable[[], None]:
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.GELU(), nn.Conv2d(8, 4, 1)).to(device)
        images, made = torch.empty(2, 3, 16, 16, device=device), dict(OPTIMIZERS)[optimizer](model.parameters())

        def step() -> None:
            nonlocal steps
            steps += 1
            made.zero_grad()
            model(images).float().softmax(1).mean().backward()
            made.step()

        return step

    run, repeated = _traces(build, rules=rules, precision=precision)
    assert steps == 3 + 2
    _assert_equal(run, repeated)


def test_a_step_that_keeps_more_and_more_is_run() -> None:
    steps = 0

    def build(device: torch.device) -> Callable[[], None]:
        weight = nn.Parameter(torch.empty(64, 64, device=device))
        kept: list[torch.Tensor] = []

        def step() -> None:
            nonlocal steps
            steps += 1
            kept.append(weight * 2)
            weight.grad = None
            kept[-1].sum().backward()

        return step

    run, repeated = _traces(build)
    assert steps == 3 + 3
    _assert_equal(run, repeated)


def test_a_step_that_leaves_another_size_behind_is_run() -> None:
    def build(device: torch.device) -> Callable[[], None]:
        held: list[torch.Tensor] = []

        def step() -> None:
            size = 64 + 64 * len(held)
            held[:] = [torch.empty(size, device=device) * 2]

        return step

    _assert_equal(*_traces(build))


def test_a_run_of_batches_is_never_repeated() -> None:
    steps = 0

    def build(device: torch.device) -> Callable[[], None]:
        weight = nn.Parameter(torch.empty(64, 64, device=device))

        def step() -> None:
            nonlocal steps
            steps += 1
            (weight * steps).sum().backward()
            weight.grad = None

        return step

    trace_steps(build, META, iterations=4, steady_steps=2, repeats=True)
    assert steps == 4
