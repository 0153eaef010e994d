import os
import signal
from functools import partial

import pytest

from bench import runner
from bench.case import Case
from bench.engines import parallel
from bench.gpus import select_gpus
from bench.results import Result
from bench.settings import Settings

SMALL = {"task": "voc", "backbone": "swin_tiny", "image_size": (32, 32), "batch_size": 1, "engine": "simulate"}
CASES = [Case(method="fixed", seed=seed, **SMALL) for seed in range(8)]
DEADLY_SEED = 3


def _result(case: Case, place: str) -> Result:
    return Result(case=case, status="ok", environment={"place": place})


def _die_of_one(case: Case, place: str) -> Result:
    if case.seed == DEADLY_SEED:
        os.kill(os.getpid(), signal.SIGKILL)
    return _result(case, place)


def test_a_process_that_dies_costs_no_other_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    found = list(parallel.spread(partial(_die_of_one, place="pool"), partial(_result, place="alone"), CASES))
    assert [result.case for result in found] == CASES
    places = [result.environment["place"] for result in found]
    assert "pool" not in places[DEADLY_SEED:]


def test_alone_a_case_says_the_same_or_what_it_died_of(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = select_gpus()
    alone = runner._simulate_alone(CASES[0], gpus, Settings())
    here = runner._simulate(CASES[0], gpus)
    assert (alone.status, alone.memory, alone.fits) == ("ok", here.memory, here.fits)
    assert alone.predicted_time == here.predicted_time
    stopped = runner._simulate_alone(CASES[0], gpus, Settings(time_limit_s=0.01))
    assert (stopped.status, stopped.failure["kind"]) == ("error", "timeout")
