"""Gradient scalers of the GPU in users' own loops: each behaves as `GradScaler(device.type)` does."""

import pytest
import torch
from timm.utils import NativeScaler
from torch import nn
from torch.nn import functional as F

from drystep import simulate
from tests.drystep.cuda.api.classifier import PARAMETER_BYTES, batch, classifier, same_as_on_the_cpu

deprecated = pytest.mark.filterwarnings("ignore:.*torch.cuda.amp:FutureWarning")
SCALERS = [
    lambda: torch.amp.GradScaler("cuda"),
    lambda: torch.amp.GradScaler(),
    lambda: torch.amp.GradScaler(device="cuda", init_scale=2.0**10),
    pytest.param(lambda: torch.cuda.amp.GradScaler(), marks=deprecated),
]


def _build(make_scaler, clip: bool = False, **options):
    def build(device: torch.device):
        model = classifier().to(device)
        optimizer = torch.optim.AdamW(model.parameters(), **options)
        scaler = make_scaler(device)
        images, labels = (part.to(device) for part in batch())

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cuda", dtype=torch.float16):
                loss = F.cross_entropy(model(images), labels)
            scaler.scale(loss).backward()
            if clip:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()

        return step

    return build


@pytest.mark.parametrize("make", SCALERS)
@pytest.mark.parametrize("clip", [False, True])
def test_the_memory_of_a_scaler_for_the_device(make, clip: bool) -> None:
    expected = simulate(_build(lambda device: torch.amp.GradScaler(device.type), clip))
    simulation = simulate(_build(lambda device: make(), clip))
    assert simulation.peak_allocated_bytes == expected.peak_allocated_bytes
    assert simulation.warnings == ()


@pytest.mark.parametrize("clip", [False, True])
def test_the_allocations_of_a_real_run(clip: bool) -> None:
    same_as_on_the_cpu(_build(lambda device: torch.amp.GradScaler("cuda"), clip))


def test_what_a_scaler_keeps_and_requests() -> None:
    """Scale and growth tracker, 512 bytes each, stay. One kernel unscales all gradients."""
    plain = simulate(_build(lambda device: torch.amp.GradScaler("cuda", enabled=False)))
    scaled = simulate(_build(lambda device: torch.amp.GradScaler("cuda")))
    assert scaled.allocated_after_step_bytes - plain.allocated_after_step_bytes == 2 * 512
    operators = [operator.name for operator in scaled.trace.operators]
    assert operators.count("_amp_foreach_non_finite_check_and_unscale_.default") == 3  # of 3 steps


def test_a_fused_optimizer_unscales_by_itself() -> None:
    build = _build(lambda device: torch.amp.GradScaler("cuda"), fused=True)
    same_as_on_the_cpu(build)
    operators = [operator.name for operator in simulate(build).trace.operators]
    assert operators.count("_fused_adamw_.default") == 3


def test_timms_scaler() -> None:
    def build(device: torch.device):
        model = classifier().to(device)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        loss_scaler = NativeScaler()
        images, labels = (part.to(device) for part in batch())

        def step() -> None:
            optimizer.zero_grad()
            with torch.autocast("cuda", dtype=torch.float16):
                loss = F.cross_entropy(model(images), labels)
            loss_scaler(loss, optimizer, clip_grad=1.0, parameters=model.parameters(), create_graph=False)
            loss_scaler.state_dict()

        return step

    same_as_on_the_cpu(build)
    assert simulate(build).at_peak["parameters"] == PARAMETER_BYTES


def test_what_a_scaler_tells() -> None:
    told = []

    def build(device: torch.device):
        model = classifier().cuda()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        scaler = torch.amp.GradScaler("cuda", init_scale=1024.0)

        def step() -> None:
            loss = F.cross_entropy(model(batch()[0].cuda()), batch()[1].cuda())
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            told.append((scaler.get_scale(), scaler.state_dict()["scale"], scaler.is_enabled()))
            if scaler.get_scale() < 1024.0:
                raise OverflowError

        return step

    simulate(build, iterations=2)
    assert told == [(1024.0, 1024.0, True)] * 2


def test_a_saved_state_is_taken_up() -> None:
    saved = torch.amp.GradScaler("cpu", init_scale=8.0).state_dict()

    def build(device: torch.device):
        scaler = torch.amp.GradScaler("cuda")
        scaler.load_state_dict(saved)
        assert scaler.get_scale() == 8.0
        return lambda: scaler.scale(torch.zeros(3, device=device))

    simulate(build)
