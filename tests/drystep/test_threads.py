"""Simulations replace functions of PyTorch for their duration: threads must not disturb each other, nor leave any."""

import contextlib
import importlib
import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.nn import functional
from torch.optim import Optimizer

from drystep import simulate

OPTIMIZERS = importlib.import_module("torch.optim.optimizer")
WAYS = [
    {"precision": "fp32", "rules": "torch-2.11"},
    {"precision": "amp-fp16", "rules": "torch-2.11"},
    {"precision": "apex-o1", "rules": "mm-2021"},
    {"precision": "fp32", "rules": "mm-2021"},
]


def _build(device: torch.device):
    model = nn.Sequential(nn.Linear(256, 512), nn.GELU(), nn.Linear(512, 256), nn.Softmax(-1)).to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    data = torch.empty(8192, 256, device=device)

    def step() -> None:
        optimizer.zero_grad()
        model(data).mean().backward()
        optimizer.step()

    return step


def _replaced() -> list[object]:
    """What simulations replace in PyTorch."""
    return [
        torch.autocast.__init__, torch.autocast.__enter__, torch.autocast.__exit__, Optimizer.__init__,
        Optimizer.zero_grad, GradScaler.update, GradScaler._maybe_opt_step, functional.gelu,
        torch.autograd._engine_run_backward, OPTIMIZERS._get_foreach_kernels_supported_devices.__code__,
        OPTIMIZERS._get_fused_kernels_supported_devices.__code__, GradScaler.__init__.__code__,
        OPTIMIZERS._get_capturable_supported_devices.__code__, GradScaler.get_scale.__code__,
        torch.__future__.get_swap_module_params_on_conversion(), torch.is_autocast_enabled("privateuseone"),
        torch.Generator, torch.get_autocast_gpu_dtype, torch.load.__code__, torch.get_default_device(),
        torch.cuda.synchronize.__code__, torch.cuda.synchronize.__kwdefaults__, torch.cuda.mem_get_info.__code__,
        torch.cuda.Event.__new__, torch.cuda.Stream.__new__, torch.cuda.device.__init__, torch.Tensor.record_stream,
        nn.Module.__init__, nn.Module.__setstate__, torch.amp.autocast_mode._cast.__code__,
    ]  # fmt: skip


def _peaks(way: dict[str, str]) -> tuple[int, int]:
    simulation = simulate(_build, gpus=("p100-16gb",), **way)
    return simulation.peak_allocated_bytes, simulation.peak_reserved_bytes


def test_threads_get_the_figures_that_one_thread_gets_and_leave_nothing() -> None:
    before = _replaced()
    alone = [_peaks(way) for way in WAYS]
    assert len(set(alone)) == len(WAYS)  # else they could not disturb each other
    barrier = threading.Barrier(len(WAYS))

    def together(way: dict[str, str]) -> list[tuple[int, int]]:
        barrier.wait()
        return [_peaks(way) for _ in range(3)]

    with ThreadPoolExecutor(len(WAYS)) as pool:
        found = list(pool.map(together, WAYS))
    assert found == [[peaks] * 3 for peaks in alone]
    assert _replaced() == before


def test_a_step_may_simulate_another() -> None:
    """In one thread the lock is no obstacle, and the outer step's rules are there again afterwards."""
    inner: list[tuple[int, int]] = []

    def build(device: torch.device):
        step = _build(device)

        def both() -> None:
            step()
            if not inner:
                inner.append(_peaks(WAYS[1]))

        return both

    outer = simulate(build, gpus=("p100-16gb",))
    assert inner == [_peaks(WAYS[1])]
    assert outer.peak_allocated_bytes == _peaks(WAYS[0])[0]


def test_a_step_that_raises_leaves_nothing() -> None:
    before = _replaced()
    with contextlib.suppress(ValueError):
        simulate(lambda device: lambda: 1 / 0, precision="amp-fp16", rules="mm-2021")
    assert _replaced() == before
