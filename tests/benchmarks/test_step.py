"""Real training steps of every method on the CPU, timed by pytest-benchmark; memory is in `extra_info`."""

import pytest
import torch

from bench import Case
from bench.environment import describe_cpu
from bench.gpus import select_gpus
from bench.methods import METHODS
from bench.paper_grids import grid
from bench.simulation.simulation import judge, trace_steps
from bench.training_step import prepare

CPU = torch.device("cpu")
ROUNDS, WARM_UP = 5, 1


@pytest.mark.slow
@pytest.mark.parametrize("case", grid([3]), ids=lambda case: f"{case.task}-{case.method}")
def test_step(benchmark, case: Case) -> None:
    height, width = case.image_size
    benchmark.group = f"{case.task}-{case.backbone}-{case.batch_size}x{height}x{width}"
    simulation = judge(trace_steps(prepare(case, CPU).build_step, CPU, case.profile, case.precision), select_gpus())
    step = prepare(case, CPU).build_step(CPU)
    benchmark.pedantic(step, rounds=ROUNDS, warmup_rounds=WARM_UP)
    benchmark.extra_info.update(
        case.as_dict(),
        label=METHODS[case.method].label,
        device=describe_cpu(),
        peak_allocated_bytes=simulation.peak_allocated_bytes,
        peak_reserved_bytes=simulation.peak_reserved_bytes,
        at_peak=simulation.at_peak,
    )
