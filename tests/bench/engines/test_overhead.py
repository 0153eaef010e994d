"""What a process of its own costs a case."""

import time
from statistics import median

import pytest

from bench.cases.case import Case
from bench.engines import cpu
from bench.engines.cpu_session import CpuSession
from bench.engines.settings import Settings

CASE = Case(task="voc", method="fixed", backbone="swin_tiny", image_size=(32, 32), batch_size=1, engine="cpu")
TURNS = 5
LIMIT_S = 4.0


def _isolated() -> None:
    (result,) = cpu.measure_all([CASE], [CASE], [], Settings(steps=1), print)
    assert result.status == "ok"


def _here() -> None:
    session = CpuSession(CASE.as_dict(), [], lambda phase: None)
    session.memory()
    session.time_turn()


def _seconds(measure) -> float:
    start = time.perf_counter()
    measure()
    return time.perf_counter() - start


@pytest.mark.nightly
def test_isolation_costs_seconds_at_most() -> None:
    _here()  # what is imported here once is imported there each time: that is the cost
    overheads_s = [_seconds(_isolated) - _seconds(_here) for _ in range(TURNS)]
    print(f"overhead of isolation: {median(overheads_s):.2f} s, {overheads_s}")
    assert 0 < median(overheads_s) <= LIMIT_S
