"""Simulated memory of the paper's cases, for `--memory-baseline` to compare: to the byte, on any machine."""

import pytest

from bench import Case
from bench.cases.paper_grids import grid
from bench.cases.training_step import prepare


def _parameters() -> list[object]:
    """Table 3's small cases, and the full-size ones of Tables 1, 2 and 4."""
    small, large = grid([3]), grid([1, 2, 4])
    return [
        *(pytest.param(case, id=_name(case)) for case in small),
        *(pytest.param(case, id=_name(case), marks=pytest.mark.slow) for case in large),
    ]


def _name(case: Case) -> str:
    height, width = case.image_size
    return f"{case.task}-{case.backbone}-{case.method}-{case.batch_size}x{height}x{width}"


@pytest.mark.parametrize("case", _parameters())
def test_memory(gpu_memory, case: Case) -> None:
    memory = gpu_memory.measure(
        lambda device: prepare(case, device).build_step(device), rules=case.rules, precision=case.precision
    )
    assert sum(memory.at_peak.values()) == memory.peak_allocated_bytes
