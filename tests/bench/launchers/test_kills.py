"""A grid that is killed at any moment loses nothing and leaves nobody: then every case is there once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest

from bench import Case, Result
from bench.cases.methods import PAPER_METHODS
from bench.engines.settings import Settings
from bench.launchers.run import resume, run_into
from bench.results.provenance import CHECKOUT
from bench.results.store import read_results
from tests.bench.tiny_grid import GONE_S, TINY, heed_interrupts

KILLS = 200
PARALLEL_KILLS = 100
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


SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
MARK = "KILLED_GRID"
COMPLETE_S = 300


def _processes_of(mark: str) -> list[psutil.Process]:
    """Processes that have inherited a grid's environment, however they are related to it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _kill_a_grid(out: Path, number: int, after_s: float, mark: str) -> int:
    """Start the grid, end it after a while, and see that nobody is left; its exit status."""
    command = [sys.executable, "-m", "bench", *TINY, "--image-size", "32x32", "--out", str(out)]
    environment = {**os.environ, MARK: mark}
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stderr=subprocess.DEVNULL, preexec_fn=heed_interrupts
    ) as grid:
        with suppress(subprocess.TimeoutExpired):
            return grid.wait(after_s)
        grid.send_signal(number)
        end = time.monotonic() + GONE_S
        while _processes_of(mark):
            assert time.monotonic() < end, _processes_of(mark)
            time.sleep(0.05)
        return grid.wait()


@pytest.mark.nightly
def test_kills_of_a_parallel_grid_that_really_simulates(tmp_path: Path) -> None:
    """Twelve methods in two processes; the moments are spread over start, simulations and end."""
    out, kills, grids = tmp_path / "0.jsonl", 0, 0
    random.seed(1)
    while kills < PARALLEL_KILLS or grids == 0:
        number = SIGNALS[kills % len(SIGNALS)]
        patience_s = random.uniform(0.5, 12) if kills < PARALLEL_KILLS else COMPLETE_S
        status = _kill_a_grid(out, number, patience_s, f"{os.getpid()}-{kills}-{grids}")
        if out.exists():
            assert read_results(out).problems == []
        if status == 0:
            cases = [json.dumps(json.loads(line)["case"]) for line in out.read_text().splitlines()]
            assert len(cases) == len(set(cases)) == len(PAPER_METHODS)
            grids += 1
            out = tmp_path / f"{grids}.jsonl"
        else:
            assert status in {-number, 128 + number}
            kills += 1
