"""Fused, capturable and foreach optimizers in users' own loops, with the memory of each form."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from drystep import Rules, SimulationError, simulate
from drystep.simulator import trace_steps
from tests.drystep.cuda.api.classifier import (
    META,
    PARAMETER_BYTES,
    TENSORS,
    batch,
    classifier,
    peak_bytes,
    same_as_on_the_cpu,
)

CAPTURABLE = ["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Rprop", "ASGD", "Adadelta"]
FUSED = {
    "Adam": (2, TENSORS), "AdamW": (2, TENSORS), "Adam amsgrad": (3, TENSORS), "SGD": (0, 0), "SGD momentum": (1, 0),
}  # fmt: skip
"""Optimizer -> states as large as the parameters, and steps, which are on the device and take a block of 512 bytes."""
CUDA_FUSES_ADAGRAD = "CPU and CUDA only" in str(torch.optim.Adagrad.__doc__)
if CUDA_FUSES_ADAGRAD:
    FUSED["Adagrad"] = (1, TENSORS)
OPTIONS = {"Adam amsgrad": {"amsgrad": True}, "SGD momentum": {"momentum": 0.9}}


def _build(name: str, clip=None, **options):
    def build(device: torch.device):
        model = classifier().to(device)
        optimizer = getattr(torch.optim, name.split()[0])(model.parameters(), lr=1e-3, **options)
        images, labels = (part.to(device) for part in batch())

        def step() -> None:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            if clip is not None:
                clip(model.parameters())
            optimizer.step()

        return step

    return build


@pytest.mark.parametrize("name", FUSED)
def test_fused(name: str) -> None:
    """The update takes no temporaries, so that the peak is in backward, where not all gradients are there yet."""
    build = _build(name, fused=True, **OPTIONS.get(name, {}))
    same_as_on_the_cpu(build)
    simulation = simulate(build)
    moments, steps = FUSED[name]
    assert simulation.at_peak["optimizer_state"] == moments * PARAMETER_BYTES + steps * 512
    assert simulation.peak_phase == "backward"
    updates = [allocation for allocation in simulation.trace.allocations[-2:] if allocation.category == "other"]
    assert updates == []
    assert simulation.warnings == ()


def test_fused_saves_the_temporaries_of_the_default() -> None:
    default, fused = simulate(_build("AdamW")), simulate(_build("AdamW", fused=True))
    assert default.peak_phase == "optimizer"
    assert default.at_peak["other"] >= PARAMETER_BYTES
    assert default.allocated_after_step_bytes + TENSORS * 512 == fused.allocated_after_step_bytes


def test_fused_takes_time() -> None:
    """Adam reads parameters, gradients and two moments, and writes all but the gradients."""
    trace = simulate(_build("AdamW", fused=True)).trace
    work = [part for number, part in trace.work if trace.operators[number].name == "_fused_adamw_.default"]
    assert len(work) == 1
    elements = sum(parameter.numel() for parameter in classifier().parameters())
    assert work[0].moved_bytes == 4 * (7 * elements + 2 * TENSORS)  # and the steps


def test_a_rate_that_is_a_tensor() -> None:
    def build(device: torch.device):
        model = classifier().to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=torch.tensor(1e-3), fused=True)

        def step() -> None:
            optimizer.zero_grad()
            model(batch()[0].cuda()).sum().backward()
            optimizer.step()

        return step

    assert simulate(build).warnings == ()


@pytest.mark.skipif(CUDA_FUSES_ADAGRAD, reason="CUDA fuses Adagrad since PyTorch 2.14")
def test_what_cuda_cannot_fuse() -> None:
    with pytest.raises(SimulationError, match="`fused=True` requires all the params to be .*supported devices"):
        simulate(_build("Adagrad", fused=True))


@pytest.mark.parametrize(("name", "foreach"), [*((name, None) for name in CAPTURABLE), ("AdamW", False)])
def test_capturable(name: str, foreach: bool | None) -> None:
    build = _build(name, capturable=True, foreach=foreach)
    same_as_on_the_cpu(build)
    steps = [allocation for allocation in trace_steps(build, META).allocations if allocation.shape == ()]
    assert sum(step.category == "optimizer_state" for step in steps) >= TENSORS


@pytest.mark.parametrize("name", ["AdamW", "NAdam", "RAdam", "Adamax", "SGD", "Adagrad"])
def test_foreach(name: str) -> None:
    """It is the default on a GPU; stated, it changes nothing."""
    default = same_as_on_the_cpu(_build(name, foreach=True))
    assert peak_bytes(trace_steps(_build(name), META)) == default
    one_by_one = peak_bytes(trace_steps(_build(name, foreach=False), META))
    assert (one_by_one < default) == (name != "SGD")  # without momentum there is nothing to compute


@pytest.mark.parametrize(
    "clip",
    [
        lambda parameters: nn.utils.clip_grad_norm_(parameters, 1.0),
        lambda parameters: nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True),
        lambda parameters: nn.utils.clip_grad_norm_(parameters, 1.0, foreach=False),
        lambda parameters: nn.utils.clip_grad_value_(parameters, 1.0),
        lambda parameters: nn.utils.clip_grad_value_(parameters, 1.0, foreach=True),
    ],
)
def test_clipped_gradients(clip) -> None:
    same_as_on_the_cpu(_build("AdamW", clip, fused=True))


def test_clipping_takes_all_gradients_at_once_as_on_cuda() -> None:
    def names(rules: Rules) -> set[str]:
        build = _build("SGD", lambda parameters: nn.utils.clip_grad_norm_(parameters, 1.0))
        return {operator.name for operator in simulate(build, rules).trace.operators}

    assert "_foreach_norm.Scalar" in names(Rules())
    assert "_foreach_norm.Scalar" not in names(Rules(torch="1.13"))  # foreach came with 2.0
