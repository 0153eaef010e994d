"""Real training steps of every method on the CPU, timed by pytest-benchmark in turns with Full's.

A step's memory and environment are in `extra_info`. Its time is gated as a ratio to Full in the same run: a slower
machine, or one that others use, slows both.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import Case
from bench.cases.methods import METHODS
from bench.cases.paper_grids import grid
from bench.cases.training_step import TrainingStep, prepare
from bench.engines.simulate import META
from bench.results.provenance import describe_cpu, describe_environment
from drystep.gpus.classes import select_gpus
from drystep.simulation import judge
from drystep.simulator import trace_steps

CPU = torch.device("cpu")
ROUNDS, WARM_UP = 5, 1


@pytest.mark.slow
@pytest.mark.parametrize("case", grid([3]), ids=lambda case: f"{case.task}-{case.method}")
def test_step(benchmark, case: Case) -> None:
    height, width = case.image_size
    benchmark.group = f"{case.task}-{case.backbone}-{case.batch_size}x{height}x{width}"
    full_case = replace(case, method="full")
    step, full = _timed(case), _timed(full_case)
    benchmark.pedantic(step, setup=full, rounds=ROUNDS, warmup_rounds=WARM_UP)
    share = _flops(case) / _flops(full_case)
    simulation = judge(trace_steps(prepare(case, META).build_step, META, case.rules, case.precision), select_gpus())
    benchmark.extra_info.update(
        case.as_dict(),
        label=METHODS[case.method].label,
        environment=describe_environment("cpu", describe_cpu()),
        peak_allocated_bytes=simulation.peak_allocated_bytes,
        peak_reserved_bytes=simulation.peak_reserved_bytes,
        at_peak=simulation.at_peak,
        flops_relative_to_full=share,
    )
    if benchmark.stats is None:  # --benchmark-disable: one step, to see that it runs
        return
    ratio = median(mine / other for mine, other in zip(step.samples_s, full.samples_s, strict=True))
    benchmark.extra_info["time_relative_to_full"] = ratio
    # Less arithmetic takes less time, though not in proportion: memory traffic and small kernels remain.
    assert share / 2 < ratio < (1 if share < 1 else 2)


class _Timed:
    """A step that notes how long it takes."""

    def __init__(self, step: TrainingStep) -> None:
        self.step = step
        self.durations_s: list[float] = []

    def __call__(self) -> None:
        start = time.perf_counter()
        self.step()
        self.durations_s.append(time.perf_counter() - start)
        self.step.optimizer.zero_grad()  # the other step runs next: hold no more than parameters and state

    @property
    def samples_s(self) -> list[float]:
        """Without the warm-up."""
        return self.durations_s[WARM_UP:]


def _timed(case: Case) -> _Timed:
    return _Timed(prepare(case, CPU).build_step(CPU))


def _flops(case: Case) -> int:
    step: Callable[[], object] = prepare(case, META).build_step(META)
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()
