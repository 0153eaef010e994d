import pytest
import torch
from torch import nn

from drystep import simulate
from drystep.cuda.rules import Rules
from drystep.gpus.classes import select_gpus
from drystep.simulation import judge

MIB = 1 << 20


def _mlp(width: int, batch: int, device: torch.device):
    model = nn.Sequential(nn.Linear(width, width, bias=False), nn.ReLU(), nn.Linear(width, width, bias=False)).to(
        device
    )
    optimizer = torch.optim.AdamW(model.parameters())
    data = torch.empty(batch, width, device=device)

    def step() -> None:
        optimizer.zero_grad()
        model(data).sum().backward()
        optimizer.step()

    return step


def test_peak_of_a_model_done_by_hand() -> None:
    """Two 16 MiB weights, AdamW: the optimizer's peak holds weights, gradients, two moments and one temporary each."""
    simulation = simulate(lambda device: _mlp(2048, 2, device))
    assert simulation.at_peak["parameters"] == 32 * MIB
    assert simulation.at_peak["gradients"] == 32 * MIB
    assert simulation.at_peak["optimizer_state"] == 64 * MIB
    assert simulation.at_peak["inputs"] == 2 * 2048 * 4
    assert simulation.at_peak["other"] == 32 * MIB  # foreach: square roots of all second moments
    assert simulation.peak_phase == "optimizer"
    assert simulation.peak_allocated_bytes == sum(simulation.at_peak.values())


def test_activations_make_the_peak_of_a_wide_batch() -> None:
    simulation = simulate(lambda device: _mlp(256, 100_000, device))
    assert simulation.peak_phase in {"forward", "backward"}
    assert simulation.at_peak["activations"] >= 100_000 * 256 * 4


def test_a_model_may_be_built_on_the_cpu_and_moved() -> None:
    def build(device: torch.device):
        model = nn.Linear(2048, 2048, bias=False)  # its initialisation on the host does not count
        model.to(device)
        data = torch.randn(2, 2048).to(device)
        return lambda: model(data).sum().backward()

    simulation = simulate(build)
    assert simulation.at_peak["parameters"] == 16 * MIB
    assert simulation.at_peak["inputs"] == 2 * 2048 * 4


def test_every_figure_follows_the_allocator_settings() -> None:
    trace = simulate(lambda device: _mlp(2048, 2, device)).trace
    settings = "large_segment_size_mb:4096,expandable_segments:True"  # pages of 4 GiB
    paged = judge(trace, select_gpus(), Rules(allocator=settings))
    assert paged.peak_reserved_bytes == paged.timeline.peak_reserved_bytes == (4096 + 2) * MIB
    assert paged.peak_reserved_interval_bytes == ((4096 + 2) * MIB,) * 2
    assert {fit.peak_reserved_bytes for fit in paged.fits.values()} == {(4096 + 2) * MIB}
    assert judge(trace, (), Rules(allocator=settings), 4096 * MIB).verdict == "oom"


@pytest.mark.parametrize(("capacity_mib", "verdict"), [(400, "fits"), (60, "oom")])
def test_a_capacity_of_ones_own(capacity_mib: int, verdict: str) -> None:
    simulation = simulate(lambda device: _mlp(2048, 2, device), capacity_bytes=capacity_mib * MIB)
    assert simulation.verdict == verdict


def test_classes_are_judged_by_name() -> None:
    simulation = simulate(lambda device: _mlp(64, 2, device), gpus=("p100-16gb",))
    assert simulation.fits.keys() == {"p100-16gb"}
    assert simulation.fits["p100-16gb"].verdict == "fits"
    assert simulation.fits["p100-16gb"].usable_bytes == (16280 - 512) * MIB
    assert len(simulate(lambda device: _mlp(64, 2, device)).fits) == 4


def test_a_cap_below_the_peak_is_replayed() -> None:
    """11.5 GB of activations: too much for 11 GB, and no trouble for the others."""
    simulation = simulate(lambda device: _mlp(1024, 1_400_000, device))
    verdicts = {name: fit.verdict for name, fit in simulation.fits.items()}
    assert verdicts["gtx-1080ti-11gb"] == "oom"
    assert verdicts["v100-32gb"] == "fits"
    assert simulation.fits["gtx-1080ti-11gb"].peak_reserved_bytes <= simulation.fits["gtx-1080ti-11gb"].usable_bytes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gpus": ("gtx-285",)}, "unknown GPU 'gtx-285': .*`drystep gpus` lists all"),
        ({"rules": "torch-0.1"}, "unknown profile"),
        ({"precision": "fp12"}, "unknown precision"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"capacity_bytes": -1}, "capacity_bytes must be positive"),
        ({"steady_steps": 4}, "steady_steps must be 1 to 3, the number of iterations, not 4"),
        ({"steady_steps": 0}, "steady_steps must be 1 to 3"),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(lambda device: _mlp(8, 2, device), **arguments)
