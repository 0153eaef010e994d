"""A training step judged for cards, and the session that judges one of a file."""

import functools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from drystep.cuda.rules import Rules
from drystep.errors import SimulationError
from drystep.fit.asked import AskedStep
from drystep.fit.session import FitSession
from drystep.fit.step import fit_step, step_throughput
from drystep.gpus.classes import Gpu, select_gpus
from drystep.simulator import simulate
from drystep.values.oracles import Oracles

MIB = 1 << 20
V100 = select_gpus(["v100-32gb"])[0]
SMALL, LARGE = (Gpu(name, name, visible_mib, 40) for name, visible_mib in (("small", 240), ("large", 640)))


def _build_step(device, batch_size=4):
    model = torch.nn.Linear(1024, 1024, bias=False).to(device)
    data = torch.empty(batch_size, 256 * 1024, device=device)  # a MiB each

    def step() -> None:
        model(data.view(-1, 1024)).sum().backward()
        model.zero_grad()

    return step


def test_verdict_headroom_and_largest_batch() -> None:
    small, large = (row.to_fields() for row in fit_step(_build_step, [SMALL, LARGE]))
    assert (small["gpu"], large["gpu"]) == ("small", "large")
    assert (small["batch_size"], small["verdict"], small["alloc_retries"]) == (4, "fits", 0)
    # The weight, and data and output of 4 x 1 MiB each; the gradient comes when the output is gone.
    assert small["uncapped"]["at_peak"]["parameters"] == 4 * MIB
    assert small["uncapped"]["at_peak"]["inputs"] == 4 * MIB
    assert small["headroom_bytes"] == 200 * MIB - small["peak_reserved_bytes"]
    # An image takes 2 MiB at least (data, output) and 3 at most (the output's gradient); weight, its gradient and
    # cuBLAS's workspaces take less than 40.
    assert (200 - 40) // 3 <= small["largest_batch"] < 200 // 2
    assert (600 - 40) // 3 <= large["largest_batch"] < 600 // 2


def test_the_largest_batch_is_the_largest() -> None:
    (row,) = fit_step(_build_step, [SMALL])
    fits, does_not = (
        fit_step(_build_step, [SMALL], size)[0].to_fields() for size in (row.largest_batch, row.largest_batch + 1)
    )
    assert fits["verdict"] != "oom"
    assert (does_not["verdict"], does_not["headroom_bytes"]) == ("oom", None)


def test_a_step_that_takes_no_batch_size_has_no_largest_batch() -> None:
    (row,) = fit_step(lambda device: _build_step(device), [SMALL])
    assert (row.batch_size, row.largest_batch) == (None, None)


def test_warnings_come_along() -> None:
    def keeps(device):
        model, kept = torch.nn.Linear(4, 4).to(device), []
        return lambda: kept.append(model(torch.empty(2, 4, device=device)))

    # An output, and through its graph the input: 2 x 4 floats each.
    assert fit_step(keeps, [SMALL])[0].to_fields()["warnings"][0].startswith("the step never frees 64 bytes")


def test_impossible_sizes() -> None:
    def no_batch(device):
        return _build_step(device)

    with pytest.raises(ValueError, match="no_batch takes no batch_size: leave --batch-size out, or give the function"):
        fit_step(no_batch, [SMALL], 3)
    with pytest.raises(ValueError, match="batch size must be between 1 and 16777216, got 0"):
        fit_step(_build_step, [SMALL], 0)
    with pytest.raises(ValueError, match="batch size must be between 1 and 16777216, got 1000000000"):
        fit_step(_build_step, [SMALL], 10**9)


def test_a_batch_that_fails_is_named() -> None:
    def build(device, batch_size=1):
        assert batch_size == 1
        return _build_step(device, batch_size)

    with pytest.raises(SimulationError, match=r"with batch_size=\d+: .*AssertionError"):
        fit_step(build, [SMALL])


def _trains(device, batch_size=4):
    """`_build_step` with an optimizer."""
    model = torch.nn.Linear(1024, 1024, bias=False).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    data = torch.empty(batch_size, 256 * 1024, device=device)

    def step() -> None:
        model(data.view(-1, 1024)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def test_throughput_from_the_batch_that_is_asked_to_the_largest() -> None:
    card = replace(SMALL, peaks=V100.peaks)
    (row,) = fit_step(_trains, [card], 6, with_throughput=True)
    assert row.throughput is not None
    assert row.largest_batch is not None
    assert [speed.batch_size for speed in row.throughput.speeds] == [6, 8, 16, 32, row.largest_batch]
    for speed in row.throughput.speeds[::2]:
        alone = simulate(functools.partial(_trains, batch_size=speed.batch_size), gpus=[card])
        assert speed.step_ms == pytest.approx(alone.step_time(card).step_ms)
        assert speed.images_per_second == pytest.approx(1e3 * speed.batch_size / speed.step_ms)
    assert step_throughput(_trains, card, 6) == row.throughput


def test_a_size_between_that_does_not_fit_has_no_speed() -> None:
    def build_step(device, batch_size=4):
        extra = torch.empty(300 * MIB if batch_size == 8 else 0, dtype=torch.uint8, device=device)
        trains = _trains(device, batch_size)
        return lambda: (extra, trains())

    found = step_throughput(build_step, replace(SMALL, peaks=V100.peaks))
    assert [speed.batch_size for speed in found.speeds][:3] == [4, 16, 32]


def test_throughput_of_ranks_counts_their_exchange() -> None:
    alone, four = (step_throughput(_trains, V100, 1024, ranks=ranks).speeds[0] for ranks in (None, 4))
    assert alone.batch_size == four.batch_size == 1024
    assert four.step_ms > alone.step_ms


def test_a_batch_above_what_the_search_tries() -> None:
    """A gibibyte in 4096 rows, and as much of outputs."""
    found = step_throughput(lambda device, batch_size=4096: _trains(device, batch_size // 4), V100)
    assert [speed.batch_size for speed in found.speeds] == [4096]


def test_throughput_that_cannot_be() -> None:
    unknown, large = step_throughput(_trains, SMALL), step_throughput(_trains, replace(SMALL, peaks=V100.peaks), 150)
    assert unknown.unknown.startswith("small has no ")
    assert large.unknown.startswith("a batch of 150 does not fit: the largest batch that fits is ")

    def no_batch(device):
        return _build_step(device)

    with pytest.raises(ValueError, match="no_batch takes no batch_size: images per second are over batch sizes"):
        step_throughput(no_batch, V100)


def test_the_time_among_ranks() -> None:
    unlinked = replace(V100, name="unlinked", peaks=replace(V100.peaks, link="", link_gbs=None))
    linked, other = (row.to_fields() for row in fit_step(_trains, [V100, unlinked], 8, Rules(ddp=True), ranks=2))
    exchange = simulate(functools.partial(_trains, batch_size=8), gpus=[V100]).step_time(V100, 2).exchange
    assert exchange is not None
    assert exchange.size_bytes == 4 * MIB
    assert (linked["ranks"], linked["exchange_ms"], linked["exposed_ms"]) == pytest.approx(
        (2, exchange.all_reduce_ms, exchange.exposed_ms)
    )
    assert 0 < linked["exposed_ms"] < linked["step_ms"]
    assert other["step_ms"] is None
    assert other["time_unknown"].startswith("unlinked has no link_gbs")
    (one,) = (row.to_fields() for row in fit_step(_trains, [unlinked], 8, ranks=1))
    assert (one["exchange_ms"], one["exposed_ms"]) == (0, 0)
    with pytest.raises(ValueError, match="ranks must be between 1 and 1024, got 0"):
        fit_step(_trains, [V100], ranks=0)


def _session(file: Path, name: str, **asked: Any) -> FitSession:
    return FitSession(lambda phase: None, AskedStep(f"{file}:{name}", **asked).to_fields(), [asdict(SMALL)])


def test_a_session_tells_a_wrong_command_from_a_step_that_failed(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(
        "import torch\n\ndef mixed_up(device):\n    x = torch.ones(3, device=device)\n"
        "    return lambda: x.view(2, 2)\n\ndef needs_values(device):\n    x = torch.ones(3, device=device)\n"
        "    return lambda: x.sum().item()\n"
    )
    assert _session(file, "nowhere").fit()["wrong"].endswith("choose from mixed_up, needs_values")
    assert "takes no batch_size" in _session(file, "needs_values", batch_size=2).fit()["wrong"]
    assert "train.py:5 (`return lambda: x.view(2, 2)`)" in _session(file, "mixed_up").fit()["failed"]
    rows = _session(file, "needs_values", oracles=Oracles(item=0, by_name={"nms": 3})).fit()["rows"]
    assert rows[0]["warnings"][0].startswith("oracle 'nms' was never asked")


def test_each_card_has_the_workspaces_of_its_architecture() -> None:
    """A V100's filter gradient by Winograd's algorithm: 16 x 16 tiles of 2 images."""

    def build_step(device: torch.device):
        layer = torch.nn.Conv2d(256, 256, 3, padding=1, bias=False).to(device)
        images = torch.empty(2, 256, 64, 64, device=device)
        return lambda: layer(images).sum().backward()

    cards = select_gpus(["p100-16gb", "v100-32gb"])
    p100, v100 = fit_step(build_step, cards, rules=Rules("1.8"))
    winograd = 36 * 4 * (2 * 16 * 16 * 512 + 256 * 256)
    more_bytes = v100.simulation.peak_allocated_bytes - p100.simulation.peak_allocated_bytes
    assert winograd < more_bytes < winograd + 2 * MIB  # the peak moves to the filter's gradient
    assert v100.to_fields()["peak_reserved_bytes"] == v100.simulation.peak_reserved_bytes
