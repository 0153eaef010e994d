"""A grid that is killed at any moment loses nothing: 200 kills, then every case is there once."""

import json
import os
import random
import signal
import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path

import pytest

from bench import Case, Result
from bench.engines.settings import Settings
from bench.launchers.run import resume, run_into
from bench.results.store import read_results

KILLS = 200
CASES = [
    Case(task="voc", method="full", backbone="swin_tiny", image_size=(64, 64), seed=seed, engine="simulate")
    for seed in range(60)
]


def _quickly(case: Case, gpus: object) -> Result:
    """In place of a simulation: as long as a kill takes to come, with a line long enough to be caught in."""
    from bench.results.provenance import describe_environment

    time.sleep(random.random() * 0.01)
    environment = describe_environment("simulate", device="none (simulated)")
    return Result(case=case, status="ok", environment=environment, message=f"{case.seed} " * 20_000)


def _run(out: Path) -> None:
    from bench.engines import simulate
    from bench.launchers import simulations

    simulate.measure = _quickly
    simulations.CASES_PER_PROCESS = len(CASES) + 1  # in this process, which is the one to be killed
    missing = resume(CASES, [], out, rerun=False, settings=Settings()).missing
    for _ in run_into(out, missing, []):
        pass


@pytest.mark.nightly
def test_two_hundred_kills(tmp_path: Path) -> None:
    # Each run is forked from a server that has PyTorch imported: else a kill would mostly meet an import.
    context = get_context("forkserver")
    context.set_forkserver_preload(["bench.launchers.run"])
    random.seed(0)
    kills = grids = 0
    while kills < KILLS:
        out = tmp_path / f"{grids}.jsonl"
        finished: list[int] = []
        while len(finished) < len(CASES):
            process = context.Process(target=_run, args=(out,))
            process.start()
            process.join(random.random() * 0.25)
            if process.is_alive() and kills < KILLS:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            process.join()
            if out.exists():
                stored = read_results(out)
                assert stored.problems == []
                seeds = [result.case.seed for result in stored.results]
                assert seeds[: len(finished)] == finished  # what was there is still there
                finished = seeds
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert Counter(line["case"]["seed"] for line in lines) == Counter(range(len(CASES)))
        grids += 1
    assert kills == KILLS
