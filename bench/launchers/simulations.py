"""Simulations are independent and single-threaded: many of them are spread over the processor's cores."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from bench.cases.case import Case
from bench.engines import simulate
from bench.engines.settings import Settings
from bench.launchers.devices import on_devices
from bench.results.provenance import CHECKOUT, describe_environment
from bench.results.result import Result, failed_result
from drystep.gpus.classes import Gpu
from drystep.measure.failure import ChildError
from drystep.measure.parent import Child

SESSION = "bench.engines.simulate_session:SimulateSession"
CASES_PER_PROCESS = 4
"""A process pays off when it has this many cases: it needs some seconds to import PyTorch."""


def simulate_all(cases: Sequence[Case], gpus: Sequence[Gpu], settings: Settings) -> Iterator[Result]:
    """Simulate cases in several processes, or here if they are few; results come as they are done."""
    processes = min(os.cpu_count() or 1, len(cases) // CASES_PER_PROCESS)
    if processes < 2:
        yield from (simulate.measure_or_fail(case, gpus, settings.time_limit_s) for case in cases)
        return
    workers = [Worker(gpus, settings) for _ in range(processes)]
    try:
        yield from on_devices(workers, cases, Worker.measure)
    finally:
        for worker in workers:
            worker.close()


class Worker:
    """A process that simulates one case after the other. When a case kills it, the next one gets a new process."""

    def __init__(self, gpus: Sequence[Gpu], settings: Settings) -> None:
        self._arguments = {"gpus": [asdict(gpu) for gpu in gpus]}
        self._time_limit_s = settings.time_limit_s
        self._child: Child | None = None
        self._closed = False

    def measure(self, case: Case) -> Result:
        """Simulate a case. One whose process was killed is tried once more: its neighbours may have used the memory."""
        try:
            return self._ask(case)
        except ChildError as error:
            if error.failure.kind != "signal" or self._closed:
                return self._failed(case, error)
        try:
            return self._ask(case)
        except ChildError as error:
            return self._failed(case, error)

    def close(self) -> None:
        """End the process, also while a thread waits for its answer; no other takes its place."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _ask(self, case: Case) -> Result:
        if self._child is None:
            self._child = Child(SESSION, self._arguments, self._time_limit_s, folders=[CHECKOUT])
        child = self._child
        child.left_s = self._time_limit_s  # the limit is one case's, and this serves many
        try:
            return Result.from_json(child.call("measure", case=case.as_dict()))
        except ChildError:
            self._end()
            raise

    def _failed(self, case: Case, error: ChildError) -> Result:
        return failed_result(case, error.failure, describe_environment("simulate", device=simulate.DEVICE))
