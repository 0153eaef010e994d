"""Cases on a local Ray of two workers: the same results, store and resume as without it."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from bench.cases.case import Case
from bench.engines.settings import Settings
from bench.launchers import ray_cluster
from bench.launchers import run as runner
from bench.results.provenance import CHECKOUT
from bench.results.result import Result
from bench.results.store import read_results
from drystep.gpus.classes import select_gpus

RAY = Settings(steps=1, launcher="ray")
SMALL = {"task": "voc", "backbone": "swin_tiny", "image_size": (32, 32), "batch_size": 1, "engine": "simulate"}
CASES = [Case(method=method, **SMALL) for method in ("full", "fixed", "lora", "e3va")]
GPUS = select_gpus(["p100-16gb"])
WAIT_S = 60


@pytest.fixture(autouse=True)
def two_workers(monkeypatch):
    """Ray as it is, of two cores whatever the machine has. What stands for a measurement travels by value."""
    start = ray.init
    monkeypatch.setattr(
        ray, "init", lambda **options: start(**(options if "address" in options else {"num_cpus": 2, **options}))
    )
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    ray.shutdown()


def _stands_for(monkeypatch, measure) -> None:
    """Let workers do this instead of measuring."""
    monkeypatch.setattr(ray_cluster, "_measure_there", lambda case, *others: measure(case))


def _line(case: Case, node: str = "") -> str:
    return Result(case=case, status="ok", environment={"node": node}).to_json()


@pytest.mark.nightly
def test_results_are_those_of_the_local_launcher() -> None:
    theirs = {result.case: result for result in runner.run(CASES[:2], GPUS, RAY)}
    for ours in runner.run(CASES[:2], GPUS, Settings(steps=1)):
        there = theirs.pop(ours.case)
        assert there.environment.pop("node")
        assert replace(there, created_at="") == replace(ours, created_at="")
    assert theirs == {}


@pytest.mark.nightly
def test_two_workers_work_at_the_same_time(monkeypatch, tmp_path: Path) -> None:
    def meet(case: Case) -> str:
        (tmp_path / case.method).touch()
        start = time.monotonic()
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < start + WAIT_S:
            time.sleep(0.01)
        return _line(case, node=str(os.getpid()) if len(list(tmp_path.iterdir())) == 2 else "alone")

    _stands_for(monkeypatch, meet)
    nodes = {result.environment["node"] for result in runner.run(CASES[:2], GPUS, RAY)}
    assert len(nodes) == 2
    assert "alone" not in nodes


@pytest.mark.nightly
def test_a_worker_that_dies_or_raises_costs_one_case(monkeypatch) -> None:
    def misbehave(case: Case) -> str:
        if case.method == "fixed":
            os.kill(os.getpid(), signal.SIGKILL)
        if case.method == "lora":
            raise ZeroDivisionError("theirs")
        return _line(case)

    _stands_for(monkeypatch, misbehave)
    results = {result.case.method: result for result in runner.run(CASES, GPUS, RAY)}
    assert [results[name].status for name in ("full", "fixed", "lora", "e3va")] == ["ok", "error", "error", "ok"]
    assert results["fixed"].failure["kind"] == "signal"
    assert "the worker died" in results["fixed"].message
    assert results["lora"].failure["kind"] == "exception"
    assert "ZeroDivisionError: theirs" in results["lora"].message


@pytest.mark.nightly
def test_a_grid_that_is_left_resumes(monkeypatch, tmp_path: Path) -> None:
    _stands_for(monkeypatch, _line)
    out = tmp_path / "results.jsonl"
    left = runner.run_into(out, CASES, [], RAY)
    next(left)
    del left  # as Ctrl-C would
    ray.shutdown()
    stored = [result.case for result in read_results(out).results]
    assert len(stored) == 1
    rest = [case for case in CASES if case not in stored]
    assert len(list(runner.run_into(out, rest, [], RAY))) == 3
    assert sorted(result.case.method for result in read_results(out).results) == sorted(c.method for c in CASES)


@pytest.mark.nightly
def test_a_timed_case_has_a_node_for_itself_and_brings_its_reference() -> None:
    timed = [replace(case, engine="cpu") for case in CASES[:2]]
    connected = ray_cluster.connect()
    assert ray_cluster._resources(connected, timed[1]) == {"num_cpus": 2}
    assert ray_cluster._references(timed[1], [*timed, *CASES]) == [timed[0]]
    assert ray_cluster._resources(connected, CASES[0]) == {"num_cpus": 1}
    assert ray_cluster._references(CASES[1], [*timed, *CASES]) == []
    assert ray_cluster._resources(connected, replace(CASES[0], engine="cuda")) == {"num_cpus": 1, "num_gpus": 1}


def test_what_cannot_be_used_is_said_before_anything_is_measured(monkeypatch) -> None:
    with pytest.raises(ValueError, match=r"no Ray cluster at 127.0.0.1:1: ConnectionRefusedError"):
        runner.run(CASES, GPUS, replace(RAY, ray_address="127.0.0.1:1"))
    with pytest.raises(ValueError, match="no node of the Ray cluster has a GPU"):
        runner.run([replace(CASES[0], engine="cuda")], GPUS, RAY)
    with pytest.raises(ValueError, match="add --launcher ray"):
        Settings(ray_address="127.0.0.1:6379")
    with pytest.raises(ValueError, match="unknown launcher 'slurm': choose from local, ray"):
        Settings(launcher="slurm")
    ray.shutdown()
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match="pip install -c constraints.txt ray"):
        runner.run(CASES, GPUS, RAY)


@pytest.fixture
def two_nodes(two_workers):
    """A cluster of two nodes of one core on this machine."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_the_nodes_of_a_cluster_run_this_checkout(two_nodes, monkeypatch, tmp_path: Path) -> None:
    """They get it from Ray, without environments and results, and import it from nowhere else."""

    def meet(case: Case) -> str:
        from bench.results.provenance import CHECKOUT

        node = ray.get_runtime_context().get_node_id()
        (tmp_path / node).touch()
        start = time.monotonic()
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < start + WAIT_S:
            time.sleep(0.01)
        left_out = [name for name in (".git", ".nox", "bench-results", "docs") if (CHECKOUT / name).exists()]
        found = {"node": node, "checkout": str(CHECKOUT), "left_out": left_out, "cwd": str(Path.cwd())}
        return Result(case=case, status="ok", environment=found).to_json()

    _stands_for(monkeypatch, meet)
    settings = replace(RAY, ray_address=two_nodes.address)
    found = [result.environment for result in runner.run(CASES[:2], GPUS, settings)]
    assert len({environment["node"] for environment in found}) == 2
    for environment in found:
        assert environment["checkout"] != str(CHECKOUT)
        assert environment["left_out"] == []
        assert environment["cwd"] == environment["checkout"]
