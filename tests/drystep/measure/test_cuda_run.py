"""A user's step on a GPU: on a card that the tests make up, and, where there is one, on a real card."""

import pytest
import torch
from torch import nn

from drystep.cuda.rules import Rules
from drystep.gpus.classes import Gpu
from drystep.measure.cuda_run import holds, run_on_cuda
from drystep.pytest_plugin import step_memory
from drystep.pytest_plugin.step_memory import Options, measure_step
from drystep.units import MIB
from tests.drystep.measure.fake_cuda import FakeCuda

HELD = 1000
"""Bytes that other tests hold."""


@pytest.fixture
def card(monkeypatch) -> FakeCuda:
    fake = FakeCuda(monkeypatch, total_bytes=100_000)
    fake.fraction = 1.0
    for name, value in {
        "current_device": lambda: 0,
        "memory_allocated": lambda index: fake.allocated,
        "memory_reserved": lambda index: fake.allocated,
        "get_per_process_memory_fraction": lambda index: fake.fraction,
        "empty_cache": lambda: None,
        "get_device_name": lambda index: "Fake",
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch._C, "_cuda_clearCublasWorkspaces", lambda: None, raising=False)
    fake.hold(HELD)
    fake.reserved = fake.peak = fake.allocated
    return fake


def _step_of(card: FakeCuda, first: int = 700, later: int = 400):
    """Holds 100 bytes of model, and in each step more for a moment."""

    def build_step(device: torch.device):
        assert device == torch.device("cuda", 0)
        card.hold(100)
        sizes = iter([first, later, later])

        def step() -> None:
            size = next(sizes)
            card.hold(size)
            card.hold(-size)

        return step

    return build_step


def test_the_last_step_counts_and_what_others_hold_does_not(card: FakeCuda) -> None:
    run = run_on_cuda(_step_of(card), iterations=3)
    assert (run.device, run.ran_out, run.alloc_retries) == ("Fake", None, 0)
    assert run.peak_allocated_bytes == 100 + 400
    assert run.peak_reserved_bytes == 100 + 700  # from the build on, as nvidia-smi would show it


def test_the_limit_comes_on_top_of_what_others_hold_and_is_taken_back(card: FakeCuda) -> None:
    fits = run_on_cuda(_step_of(card), iterations=3, limit_bytes=800)
    assert fits.ran_out is None
    assert card.fraction == 1.0
    card.hold(-100)  # the model of that step
    broke_off = run_on_cuda(_step_of(card), iterations=3, limit_bytes=799)
    assert "OutOfMemoryError: CUDA out of memory." in (broke_off.ran_out or "")
    assert "fake_cuda.py" in (broke_off.ran_out or "")  # the file of the line that asked
    assert broke_off.peak_allocated_bytes == 100
    assert card.fraction == 1.0


def test_another_error_is_the_users(card: FakeCuda) -> None:
    def build_step(device: torch.device):
        raise ZeroDivisionError("theirs")

    with pytest.raises(ZeroDivisionError, match="theirs"):
        run_on_cuda(build_step, iterations=3, limit_bytes=800)
    assert card.fraction == 1.0


@pytest.mark.parametrize(("limit", "verdict"), [(800, "fits"), (799, "oom"), (None, "fits")])
def test_a_gpu_is_taken_where_there_is_one(card: FakeCuda, limit: int | None, verdict: str) -> None:
    memory = measure_step(_step_of(card), limit)
    assert (memory.how, memory.device, memory.verdict) == ("measured", "Fake", verdict)
    assert bool(memory.failure) == (verdict == "oom")
    assert memory.at_peak == {}


def test_retries_are_said(card: FakeCuda) -> None:
    def build_step(device: torch.device):
        def step() -> None:
            card.retries += 1

        return step

    assert measure_step(build_step, 800).verdict == "fits_with_retries"


def test_a_gpu_cannot_stand_for_a_larger_one(card: FakeCuda, monkeypatch) -> None:
    assert holds(card.total_bytes - HELD)
    assert not holds(card.total_bytes - HELD + 1)
    monkeypatch.setattr(step_memory, "_simulated", lambda build, limit, options: "simulated")
    assert measure_step(_step_of(card), "1 GiB") == "simulated"
    with pytest.raises(ValueError, match="this GPU has less memory than the limit of 1 GiB: take the engine simulate"):
        measure_step(_step_of(card), "1 GiB", engine="cuda")


@pytest.mark.parametrize("options", [Options(rules="mm-2021"), Options(precision="amp-fp16")])
def test_what_only_a_simulation_can_state_is_simulated(card: FakeCuda, monkeypatch, options: Options) -> None:
    monkeypatch.setattr(step_memory, "_simulated", lambda build, limit, options: "simulated")
    assert measure_step(_step_of(card), 800, options) == "simulated"
    with pytest.raises(ValueError, match="on a GPU a step runs as it stands: leave rules and precision out"):
        measure_step(_step_of(card), 800, options, engine="cuda")


def test_engines(monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA device: take the engine auto or simulate"):
        measure_step(lambda device: lambda: None, engine="cuda")
    with pytest.raises(ValueError, match="unknown engine 'abacus': choose from auto, simulate, cuda"):
        measure_step(lambda device: lambda: None, engine="abacus")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_real_card_agrees_with_the_simulation() -> None:
    def build_step(device: torch.device):
        model = nn.Sequential(nn.Linear(2048, 2048), nn.ReLU(), nn.Linear(2048, 2048)).to(device)
        optimizer = torch.optim.AdamW(model.parameters())
        images = torch.empty(64, 2048, device=device).normal_()

        def step() -> None:
            optimizer.zero_grad()
            model(images).sum().backward()
            optimizer.step()

        return step

    device = torch.cuda.get_device_properties(0)
    card = Gpu(
        name="at-hand",
        label=device.name,
        visible_mib=device.total_memory // MIB,
        context_mib=0,
        compute_capability=f"{device.major}.{device.minor}",  # decides how large the workspaces of cuBLAS are
    )
    rules = Rules(torch=".".join(torch.__version__.split(".")[:2]), card=card)
    simulated = measure_step(build_step, options=Options(rules=rules), engine="simulate")
    measured = measure_step(build_step, engine="cuda")
    assert measured.peak_allocated_bytes == pytest.approx(simulated.peak_allocated_bytes, rel=0.01)
    assert measure_step(build_step, simulated.peak_reserved_bytes * 2, engine="cuda").verdict == "fits"
    held = torch.cuda.memory_allocated()
    broke_off = measure_step(build_step, simulated.peak_allocated_bytes // 2, engine="cuda")
    assert broke_off.verdict == "oom"
    assert torch.cuda.memory_allocated() == held
    assert measure_step(build_step, engine="cuda").peak_allocated_bytes == measured.peak_allocated_bytes
