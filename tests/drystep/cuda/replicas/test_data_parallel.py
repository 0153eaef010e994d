"""`DistributedDataParallel` in a user's own program: the buckets of PyTorch's reducer, without other processes."""

import functools
import os
from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import init_process_group
from torch.nn.parallel import DistributedDataParallel

from drystep import Rules, Simulation, simulate
from drystep.memory.replay import replay
from drystep.simulator import trace_steps

LAYERS, WIDTH = 4, 512
PARAMETER_BYTES = 4 * LAYERS * (WIDTH * WIDTH + WIDTH)
BLOCK = 512
"""Sizes are rounded up to it."""
META, CPU = torch.device("meta"), torch.device("cpu")


def _model() -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))


def _build(device: torch.device, wrap: bool = True, late: bool = False, rest: int = 0, **options: object) -> Callable:
    if wrap:
        init_process_group("nccl")
    model = _model().to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    unused = nn.Linear(WIDTH, rest).to(device) if rest else None
    replica = model
    if unused is not None:
        replica = nn.ModuleDict({"model": model, "unused": unused})
        replica.forward = model.forward
    if wrap:
        replica = DistributedDataParallel(replica, device_ids=None if device == CPU else [0], **options)
    if not late:
        optimizer = torch.optim.SGD(replica.parameters(), 0.1)
    images = torch.zeros(4, WIDTH, device=device)

    def step() -> None:
        optimizer.zero_grad()
        replica(images).sum().backward()
        optimizer.step()

    return step


def _simulated(**options: object) -> Simulation:
    rules = options.pop("rules", Rules())
    return simulate(functools.partial(_build, **options), rules=rules, gpus=["v100-32gb"])


def test_a_replica_has_a_second_copy_of_its_gradients() -> None:
    alone, replica = _simulated(wrap=False), _simulated()
    assert replica.peak_allocated_bytes - alone.peak_allocated_bytes == PARAMETER_BYTES
    assert replica.at_peak["gradients"] - alone.at_peak["gradients"] == PARAMETER_BYTES
    assert replica.warnings == ()
    assert not dist.is_initialized()


def test_gradients_may_be_views_of_the_buckets() -> None:
    replica = _simulated(gradient_as_bucket_view=True)
    assert replica.at_peak["gradients"] == PARAMETER_BYTES
    # A gradient is computed before it is copied into its bucket.
    after = _simulated(wrap=False).allocated_after_step_bytes
    assert replica.allocated_after_step_bytes - after == pytest.approx(0, abs=2 * BLOCK)


@pytest.mark.parametrize("rules", [Rules(), Rules(ddp=True)])
@pytest.mark.parametrize("late", [False, True])
def test_buckets_are_not_counted_twice(rules: Rules, late: bool) -> None:
    """Neither where the optimizer is made before the replica."""
    by_rules = _simulated(wrap=False, rules=Rules(ddp=True))
    assert _simulated(rules=rules, late=late).peak_allocated_bytes == by_rules.peak_allocated_bytes


@pytest.mark.parametrize(
    ("options", "maps"), [({}, 0), ({"find_unused_parameters": True}, 1), ({"static_graph": True}, 1)], ids=str
)
def test_what_finds_unused_parameters_has_a_number_for_each(options: dict, maps: int) -> None:
    """A map of int32, beside the other one that stays on the host."""
    trace = _simulated(**options).trace
    lasting = trace.alive_after(len(trace.events) - 1)
    found = [trace.allocations[index] for index in lasting if trace.allocations[index].dtype == torch.int32]
    assert [map.shape for map in found] == maps * [(2 * LAYERS,)]


def test_an_unused_parameter_has_a_bucket_and_no_gradient() -> None:
    replica = _simulated(rest=WIDTH, find_unused_parameters=True)
    gradients = [a.requested_bytes for a in replica.trace.allocations if a.category == "gradients"]
    buckets = {a.shape for a in replica.trace.allocations if a.category == "gradients" and len(a.shape) == 1}
    unused_elements = WIDTH * WIDTH + WIDTH
    assert gradients
    assert sum(shape[0] for shape in buckets if shape[0] > WIDTH) == PARAMETER_BYTES // 4 + unused_elements


@pytest.mark.parametrize("options", [{}, {"gradient_as_bucket_view": True}, {"bucket_cap_mb": 1}], ids=str)
def test_a_simulated_replica_allocates_what_a_real_one_on_the_cpu_does(options: dict) -> None:
    build = functools.partial(_build, **options)
    really, simulated = trace_steps(build, CPU), simulate(build, gpus=["v100-32gb"]).trace
    peaks = [replay(trace).peak_allocated_bytes for trace in (really, simulated)]
    assert peaks[0] == peaks[1]


def test_gradients_are_accumulated_without_a_sync() -> None:
    def build_step(device: torch.device) -> Callable[[], None]:
        replica = DistributedDataParallel(_model().to(device))
        optimizer = torch.optim.SGD(replica.module.parameters(), 0.1)
        images = torch.zeros(4, WIDTH)

        def step() -> None:
            with replica.no_sync():
                replica(images.to(device)).sum().backward()
            replica(images.to(device)).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

        return step

    alone = simulate(functools.partial(_build, wrap=False), gpus=["v100-32gb"])
    accumulating = simulate(build_step, gpus=["v100-32gb"])
    assert accumulating.at_peak["gradients"] == 2 * alone.at_peak["gradients"]


def test_inputs_of_the_host_are_moved_to_the_device() -> None:
    def build_step(device: torch.device) -> Callable[[], None]:
        replica = DistributedDataParallel(_model().to(device), device_ids=[3], output_device=3)
        return lambda: replica(torch.zeros(4, WIDTH)).sum().backward()

    assert simulate(build_step, gpus=["v100-32gb"]).peak_allocated_bytes > 2 * PARAMETER_BYTES


def test_collectives_of_metrics_neither_fail_nor_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)

    renamed = hasattr(dist, "all_gather_single")  # in PyTorch 2.14
    gather_into = dist.all_gather_single if renamed else dist.all_gather_into_tensor
    scatter_from = dist.reduce_scatter_single if renamed else dist.reduce_scatter_tensor

    def build_step(device: torch.device) -> Callable[[], None]:
        dist.init_process_group("nccl")
        assert (dist.get_rank(), dist.get_world_size()) == (0, 2)
        group = dist.new_group([0, 1])

        def step() -> None:
            loss = torch.ones(3, device=device)
            dist.barrier()
            dist.all_reduce(loss, op=dist.ReduceOp.AVG, group=group)
            dist.broadcast(loss, 0)
            dist.reduce(loss, 0)
            losses = [torch.zeros_like(loss) for _ in range(dist.get_world_size())]
            dist.all_gather(losses, loss)
            gathered = torch.zeros(6, device=device)
            gather_into(gathered, loss)
            scatter_from(loss, gathered)
            del gathered
            names: list = [None, None]
            dist.all_gather_object(names, {"rank": dist.get_rank()})
            assert names == [{"rank": 0}] * 2
            dist.broadcast_object_list(names)

        return step

    assert simulate(build_step, gpus=["v100-32gb"]).peak_allocated_bytes == 4 * BLOCK


def test_rank_and_size_are_those_that_are_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_step(device: torch.device, **stated: int) -> Callable[[], None]:
        init_process_group("nccl", **stated)
        found.append((dist.get_rank(), dist.get_world_size()))
        return lambda: torch.zeros(1, device=device)

    found: list[tuple[int, int]] = []
    monkeypatch.setitem(os.environ, "RANK", "3")
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "8")
    simulate(build_step)
    simulate(functools.partial(build_step, rank=1, world_size=4))
    assert found == [(3, 8), (1, 4)]
