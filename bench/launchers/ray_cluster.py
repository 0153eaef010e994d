"""Independent cases spread over a Ray cluster, or over this machine by a Ray of its own. Ray must be installed.

Workers measure; they write nothing. Results come back here as they are done, so that store, resume and progress are
those of the local launcher. The nodes get this checkout from Ray, so that all run the same code.
"""

import os
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import itemgetter
from types import ModuleType
from typing import Any

from bench.cases.case import Case
from bench.engines.references import REFERENCE_METHOD
from bench.engines.settings import Settings
from bench.launchers import local
from bench.results.provenance import CHECKOUT, describe_commit, describe_environment
from bench.results.result import Result, failed_result
from drystep.gpus.classes import Gpu
from drystep.measure.cards import cards
from drystep.measure.failure import Failure, FailureKind, describe

MISSING = "the launcher ray needs Ray: pip install -c constraints.txt ray"
OBJECT_STORE_BYTES = 100 << 20
"""Of a local Ray: results are lines of text."""
JOIN_TIMEOUT_S = 10
ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
LEFT_OUT = [".git", ".nox", ".venv", "docs", "bench-results", "*.jsonl", "build", "dist", "__pycache__", ".*_cache"]
"""What of the checkout the nodes do without, as gitignore patterns."""


def measure_all(
    cases: Sequence[Case], requested: Sequence[Case], gpus: Sequence[Gpu], settings: Settings
) -> Iterator[Result]:
    """Measure cases wherever the cluster has room: a cuda case gets a GPU, a cpu case a whole node, others one core.

    What a node cannot do is an error result of that case. Whoever stops listening stops the rest. Raises `ValueError`
    where Ray is missing, the cluster cannot be reached, or has no GPU for a cuda case.
    """
    ray = connect(settings.ray_address)
    if any(case.engine == "cuda" for case in cases):
        _gpu_nodes(ray)
    return _measure_all(ray, cases, requested, gpus, settings)


def _measure_all(
    ray: ModuleType, cases: Sequence[Case], requested: Sequence[Case], gpus: Sequence[Gpu], settings: Settings
) -> Iterator[Result]:
    tasks = {}
    there = replace(settings, launcher="local", ray_address="")
    try:
        for case in cases:
            remote = ray.remote(_measure_there).options(max_retries=0, **_resources(ray, case))
            task = remote.remote(case, _references(case, requested), gpus, there)
            tasks[task] = case
        waiting = list(tasks)
        while waiting:
            (done,), waiting = ray.wait(waiting)
            yield _received(ray, done, tasks[done])
    finally:
        ray.shutdown()  # whatever still runs for this process ends, also on a cluster


def connect(address: str = "") -> ModuleType:
    """Join the cluster at an address, or start a Ray of this machine's cores and GPUs."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ValueError(MISSING) from error
    if ray.is_initialized():
        return ray
    _require_listening(address)
    shared: dict[str, Any] = {
        "log_to_driver": False,
        "configure_logging": False,
        "runtime_env": {"working_dir": str(CHECKOUT), "excludes": LEFT_OUT},
    }
    try:
        if address:
            ray.init(address=address, **shared)
        else:
            ray.init(include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **shared)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        where = f"the Ray cluster at {address}" if address else "Ray on this machine"
        raise ValueError(f"cannot use {where}: {describe(error)}") from error
    return ray


def _require_listening(address: str) -> None:
    """Ray itself ends the whole process, after half a minute, where nobody listens at HOST:PORT."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):  # none, or "auto"
        return
    try:
        socket.create_connection((host, int(port)), timeout=JOIN_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise ValueError(f"no Ray cluster at {address}: {describe(error)}") from error


def smallest_gpu(address: str) -> tuple[str, int]:
    """Name and memory of the smallest GPU of the cluster's nodes. Raises `ValueError` if there is none."""
    ray = connect(address)
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(_gpus_there).options(num_gpus=1)
    there = [NodeAffinitySchedulingStrategy(node, soft=False) for node in _gpu_nodes(ray)]
    found = ray.get([look.options(scheduling_strategy=node).remote() for node in there])
    return min((card for cards in found for card in cards), key=itemgetter(1))


def _gpu_nodes(ray: ModuleType) -> list[str]:
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU", 0) >= 1]
    if not nodes:
        raise ValueError("no node of the Ray cluster has a GPU: choose --engine simulate or --engine cpu")
    return nodes


def _gpus_there() -> list[tuple[str, int]]:
    return [(card.name, card.total_bytes) for card in cards()]


def _references(case: Case, requested: Sequence[Case]) -> list[Case]:
    """What a cpu case is timed in turns with, as far as it was asked for."""
    if case.engine != "cpu":
        return []
    return [other for other in requested if other.method == REFERENCE_METHOD and other.engine == "cpu"]


def _resources(ray: ModuleType, case: Case) -> dict[str, float]:
    """What Ray keeps for a case alone. One that is timed on the processor shares its node with no other."""
    if case.engine == "cuda":
        return {"num_cpus": 1, "num_gpus": 1}
    if case.engine == "cpu":
        return {"num_cpus": max(node["Resources"].get("CPU", 1) for node in ray.nodes() if node["Alive"])}
    return {"num_cpus": 1}


def _measure_there(case: Case, references: Sequence[Case], gpus: Sequence[Gpu], settings: Settings) -> str:
    """On a worker: measure one case, and return its result line."""
    import ray
    import torch

    if case.engine == "simulate":
        torch.set_num_threads(1)  # as many of them run as there are cores
    (result,) = local.measure_all([case], [case, *references], gpus, settings, _unheard)
    node = ray.get_runtime_context().get_node_id()  # results must not contain host names
    return replace(result, environment={**result.environment, "node": node}).to_json()


def _unheard(message: str) -> None:
    """Nobody reads what a worker says."""


def _received(ray: ModuleType, task: Any, case: Case) -> Result:
    try:
        result = Result.from_json(ray.get(task))
        # A node's copy of this checkout has no git; it is this commit all the same.
        return replace(result, environment={**result.environment, **describe_commit()})
    except ray.exceptions.RayError as error:
        kind, message = _told(ray, error)
        return failed_result(
            case, Failure(kind, message, "on a Ray worker"), describe_environment(case.engine, "a Ray node")
        )


def _told(ray: ModuleType, error: Exception) -> tuple[FailureKind, str]:
    """What became of a worker."""
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return "out_of_memory", "Ray stopped the worker, for its node's memory ran out"
    if isinstance(error, ray.exceptions.WorkerCrashedError | ray.exceptions.NodeDiedError):
        return "signal", "the worker died in the middle of its work (killed, or its node was lost)"
    if isinstance(error, ray.exceptions.RayTaskError):
        return "exception", describe(error.cause)
    return "exception", ADDRESS.sub("a node", describe(error))
