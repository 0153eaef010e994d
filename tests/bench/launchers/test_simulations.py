import os
import signal

import pytest

from bench.cases.case import Case
from bench.engines import simulate
from bench.engines.settings import Settings
from bench.engines.simulate_session import SimulateSession
from bench.launchers import simulations
from bench.launchers.simulations import Worker, simulate_all
from drystep.gpus.classes import select_gpus

SMALL = {"task": "voc", "backbone": "swin_tiny", "image_size": (32, 32), "batch_size": 1, "engine": "simulate"}
CASES = [Case(method="fixed", seed=seed, **SMALL) for seed in range(4)]
DEADLY_SEED = 3


class Deadly(SimulateSession):
    """Dies of one case."""

    def measure(self, case: dict) -> str:
        if case["seed"] == DEADLY_SEED:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().measure(case)


def test_a_process_that_dies_costs_no_other_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(simulations, "CASES_PER_PROCESS", 2)
    monkeypatch.setattr(simulations, "SESSION", f"{__name__}:Deadly")
    found = {result.case: result for result in simulate_all(CASES, select_gpus(), Settings())}
    assert found.keys() == set(CASES)
    (failed,) = [result for result in found.values() if result.status != "ok"]
    assert (failed.case.seed, failed.status, failed.failure["kind"]) == (DEADLY_SEED, "error", "signal")
    assert "SIGKILL" in failed.message


def test_a_worker_says_the_same_as_this_process() -> None:
    worker, here = Worker(select_gpus(), Settings()), simulate.measure(CASES[0], select_gpus())
    there = worker.measure(CASES[0])
    worker.close()
    assert (there.status, there.memory, there.fits) == ("ok", here.memory, here.fits)
    assert there.predicted_time == here.predicted_time


def test_a_worker_stops_a_case_at_its_time_limit() -> None:
    worker = Worker(select_gpus(), Settings(time_limit_s=0.01))
    stopped = worker.measure(CASES[0])
    assert (stopped.status, stopped.failure["kind"]) == ("error", "timeout")
