"""Cases simulated under the rules of the card at hand, in a process that leaves the processor to the measuring ones."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from bench.cases.case import Case
from bench.cases.training_step import prepare
from bench.engines import simulate
from bench.engines.simulate_session import gpu_of
from bench.results.result import Result
from drystep.cuda.meta_cache import META
from drystep.gpus.classes import Gpu
from drystep.memory.block import Block
from drystep.memory.driver import AllocatorStats
from drystep.memory.replay import Observer, replay
from drystep.simulation import Simulation
from drystep.trace.trace import Trace

NICE = 10
"""How far these processes stand back: the measured ones launch kernels."""


class SimulateSession:
    """One case after the other."""

    def __init__(self, note_phase: Callable[[str], None]) -> None:
        torch.set_num_threads(1)
        if hasattr(os, "nice"):
            os.nice(NICE)
        note_phase("simulation")

    def measure(
        self, case: Mapping[str, Any], gpus: Sequence[Mapping[str, Any]], card: Mapping[str, Any], with_sizes: bool
    ) -> dict[str, Any]:
        """The result line of a case on a card, and how often its last step requests each size, if asked for."""
        result, simulation = simulate_on(Case(**case), [gpu_of(gpu) for gpu in gpus], gpu_of(card))
        sizes = sizes_of_last_step(simulation.trace, simulation.rules.architecture) if with_sizes else None
        return {"line": result.to_json(), "sizes": None if sizes is None else sorted(sizes.items())}

    def so_far(self) -> dict[str, Any]:
        """Nothing is known before a simulation ends."""
        return {}


def simulate_on(case: Case, gpus: Sequence[Gpu], card: Gpu | None) -> tuple[Result, Simulation]:
    """Simulate a case with the rules of a card, where it is known."""
    prepared = prepare(case, META)
    simulation = simulate.simulate_prepared(case, prepared, gpus, card)
    result = simulate.result_of(case, prepared, simulation, gpus)
    rules, calibrated = replace(case.rules, card=card).title, bool(card and card.peaks.operators)
    environment = {**result.environment, "rules": rules, "calibrated": calibrated}
    return replace(result, environment=environment), simulation


def sizes_of_last_step(trace: Trace, architecture: str = "") -> dict[int, int]:
    """How often the last step requests each size, in bytes; workspaces that are not certain are left out."""
    counting = _Counting(trace)
    replay(trace, observer=counting, architecture=architecture)
    return counting.counts


class _Counting(Observer):
    """Hears of the requests that the allocator gets."""

    def __init__(self, trace: Trace) -> None:
        self.counts: dict[int, int] = {}
        self._trace = trace

    def block_allocated(self, event: int, block: Block, stats: AllocatorStats) -> None:
        if event >= self._trace.iteration_starts[-1]:
            size_bytes = self._trace.allocations[self._trace.events[event][0]].requested_bytes
            self.counts[size_bytes] = self.counts.get(size_bytes, 0) + 1
