"""A loop of Hugging Face's Accelerate needs what the same loop by hand needs."""

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from drystep import SimulationError, simulate

BATCH, WIDTH = 512, 64
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def _model() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10))


def _batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(BATCH, WIDTH), torch.zeros(BATCH, dtype=torch.int64)


def _accelerated(device: torch.device, precision: str, parts: int = 1) -> Callable[[], None]:
    accelerator = Accelerator(mixed_precision=precision, gradient_accumulation_steps=parts)
    assert accelerator.device == device
    model = _model()
    optimizer = torch.optim.AdamW(model.parameters())
    loader = DataLoader(TensorDataset(*_batch()), batch_size=BATCH // parts)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)

    def step() -> None:
        for images, labels in loader:
            with accelerator.accumulate(model):
                outputs = model(images)
                loss = F.cross_entropy(outputs, labels)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                accelerator.gather_for_metrics((outputs.argmax(-1), labels))
        accelerator.unwrap_model(model)

    return step


def _by_hand(device: torch.device, precision: str, parts: int = 1) -> Callable[[], None]:
    model = _model().to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    loader = DataLoader(TensorDataset(*_batch()), batch_size=BATCH // parts)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")

    def step() -> None:
        for number, batch in enumerate(loader, start=1):
            images, labels = (tensor.to(device) for tensor in batch)
            with torch.autocast(device.type, HALF[precision]) if precision in HALF else contextlib.nullcontext():
                outputs = model(images)
            outputs = outputs.float()  # as Accelerate does
            loss = F.cross_entropy(outputs, labels)
            part = loss / parts
            scaler.scale(part).backward()
            if number == parts:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
            outputs.argmax(-1)

    return step


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_a_prepared_loop_needs_what_the_loop_by_hand_needs(precision: str, parts: int) -> None:
    accelerated, by_hand = (
        simulate(functools.partial(build, precision=precision, parts=parts), gpus=["v100-32gb"])
        for build in (_accelerated, _by_hand)
    )
    assert accelerated.peak_allocated_bytes == by_hand.peak_allocated_bytes
    assert accelerated.peak_phase == "backward"
    assert accelerated.warnings == ()


def test_mixed_precision_casts_where_accelerate_places_nothing() -> None:
    def build_step(device: torch.device, precision: str) -> Callable[[], None]:
        accelerator = Accelerator(mixed_precision=precision, device_placement=False)
        model = accelerator.prepare(_model().to(device))
        images = torch.zeros(BATCH, WIDTH, device=device)
        return lambda: dtypes.append(model[0](images).dtype) or accelerator.backward(model(images).sum())

    dtypes: list[torch.dtype] = []
    in_half, in_full = (
        simulate(functools.partial(build_step, precision=precision), gpus=["v100-32gb"]) for precision in ("bf16", "no")
    )
    assert in_half.peak_allocated_bytes < in_full.peak_allocated_bytes
    assert in_half.warnings == ()


def test_nothing_of_the_simulation_is_left() -> None:
    before = dict(PartialState._shared_state), dict(AcceleratorState._shared_state)
    simulate(functools.partial(_accelerated, precision="bf16"), gpus=["v100-32gb"])
    assert (dict(PartialState._shared_state), dict(AcceleratorState._shared_state)) == before
    assert "ACCELERATE_TORCH_DEVICE" not in os.environ


def test_an_accelerator_for_the_cpu_is_refused() -> None:
    with pytest.raises(SimulationError, match=r"Accelerator\(cpu=True\) trains on the CPU"):
        simulate(lambda device: Accelerator(cpu=True))


LATE = """
import sys
import torch
from drystep import simulate

def build_step(device):
    assert "accelerate" not in sys.modules
    from accelerate import Accelerator
    accelerator = Accelerator(mixed_precision="fp16")
    model = accelerator.prepare(torch.nn.Linear(256, 256))
    return lambda: accelerator.backward(model(torch.zeros(4, 256, device=accelerator.device)).sum())

print(simulate(build_step, iterations=1).at_peak["parameters"])
"""


def test_accelerate_may_be_imported_in_the_simulation() -> None:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(Path.cwd())}
    found = subprocess.run([sys.executable, "-c", LATE], env=environment, capture_output=True, text=True, check=False)
    assert found.stdout.split() == [str(4 * 256 * 256 + 4 * 256)], found.stderr


def test_an_accelerator_may_be_there_before_the_simulation() -> None:
    def build_step(device: torch.device) -> Callable[[], None]:
        model = accelerator.prepare(_model())
        assert accelerator.device == next(model.parameters()).device == device
        return lambda: accelerator.backward(model(torch.zeros(BATCH, WIDTH, device=accelerator.device)).sum())

    accelerator = Accelerator()
    try:
        simulate(build_step, gpus=["v100-32gb"])
        assert accelerator.device.type != "meta"
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
