"""Simulations of what was measured, beside the measuring, in processes that stand back from it."""

import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from bench.cases.case import Case
from bench.engines.simulate import DEVICE
from bench.proof.folder import CARD, Folder, Note, result_of_line
from bench.proof.requests import sizes_item
from bench.proof.states import is_current, simulated_case
from bench.results.provenance import CHECKOUT, describe_environment
from bench.results.result import failed_result
from drystep.errors import OutputError
from drystep.gpus.classes import Gpu, class_name, read_gpus
from drystep.measure.cards import Card
from drystep.measure.failure import ChildError, describe
from drystep.measure.kernels import UNPINNED
from drystep.measure.parent import Child
from drystep.units import MIB

SESSION = "bench.proof.sessions.simulation:SimulateSession"
LIMIT_S = 300.0
KEPT_CORES, MOST_PROCESSES = 3, 6
"""Cores that are left to the measuring processes; one process simulates all the same, at low priority."""
POLL_S = 0.1


@dataclass(order=True)
class _Job:
    """A case to simulate; what has no figures yet comes first."""

    rank: int
    number: int
    case: Case = field(compare=False)
    with_sizes: bool = field(compare=False)


class Simulations:
    """Simulates cases as they are measured, and stores the results in the folder."""

    def __init__(self, folder: Folder, card: Card, gpus: Sequence[Gpu], processes: int) -> None:
        self._folder, self._card, self._gpus = folder, card, gpus
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._number = self._unfinished = 0
        self._wanted: set[tuple[Case, bool, bool]] = set()
        self._ended = threading.Event()
        self._changing = threading.Lock()
        self._children: dict[int, Child] = {}
        self.problem = ""
        """Why no more results are stored, if so."""
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(processes)]
        for thread in self._threads:
            thread.start()

    def want(self, measured: Case, with_sizes: bool = False) -> None:
        """Simulate the case as well, unless it was; with the sizes of its requests if asked for."""
        known = self._folder.simulated.get(simulated_case(measured))
        calibrated = (self._folder.path / CARD).exists()
        has_sizes = not with_sizes or sizes_item(measured) in self._folder.notes
        wanted = measured, with_sizes, calibrated
        if wanted in self._wanted:  # it waits, or was tried
            return
        if known is None or known.status == "error" or not is_current(known.environment, "simulate"):
            self._put(0, measured, with_sizes)
        elif not has_sizes or (calibrated and not known.environment.get("calibrated")):
            self._put(1, measured, with_sizes)
        self._wanted.add(wanted)

    def finish(self, left_s: Callable[[], float]) -> int:
        """Wait until all are done, or the time is up; the number of those that are not."""
        while self._unfinished and left_s() > 0 and not self.problem:
            self._ended.wait(POLL_S)
        return self._unfinished

    def close(self) -> None:
        """End all processes; what they were doing is not stored."""
        self._ended.set()
        with self._changing:
            children = list(self._children.values())
        for child in children:
            child.close()

    def _put(self, rank: int, case: Case, with_sizes: bool) -> None:
        with self._changing:
            self._number += 1
            self._unfinished += 1
            self._jobs.put(_Job(rank, self._number, case, with_sizes))

    def _work(self, worker: int) -> None:
        while not self._ended.is_set():
            try:
                job = self._jobs.get(timeout=POLL_S)
            except queue.Empty:
                continue
            try:
                self._simulate(worker, job)
            except OutputError as error:
                self.problem = str(error)
            except Exception as error:  # one that nobody has foreseen costs no other case
                self._folder.add_note(Note(f"simulation {job.case.title}", "error", describe(error)))
            with self._changing:
                self._unfinished -= 1

    def _simulate(self, worker: int, job: _Job) -> None:
        case = simulated_case(job.case)
        card = card_class(self._card, self._folder)
        try:
            child = self._child(worker)
            child.left_s = LIMIT_S  # the limit is one case's, and this serves many
            gpus = [asdict(gpu) for gpu in (*self._gpus, card)]
            found = child.call("measure", case=case.as_dict(), gpus=gpus, card=asdict(card), with_sizes=job.with_sizes)
        except ChildError as error:
            with self._changing:
                self._children.pop(worker).close()
            if not self._ended.is_set():
                environment = describe_environment("simulate", device=DEVICE)
                self._folder.add_result(failed_result(case, error.failure, environment))
            return
        self._folder.add_result(result_of_line(found["line"]))
        if found["sizes"] is not None:
            self._folder.add_note(Note(sizes_item(job.case), "ok", figures={"sizes": found["sizes"]}))

    def _child(self, worker: int) -> Child:
        with self._changing:
            if worker not in self._children:
                self._children[worker] = Child(SESSION, {}, LIMIT_S, UNPINNED, [CHECKOUT])
            return self._children[worker]


def processes_beside(cores: int | None = os.cpu_count()) -> int:
    """How many processes simulate beside the measuring ones."""
    return max(1, min(MOST_PROCESSES, (cores or 1) - KEPT_CORES))


def card_class(card: Card, folder: Folder) -> Gpu:
    """The card at hand as a GPU class: as calibrated; before that, without peaks and context."""
    name = class_name(card.name)
    try:
        return read_gpus(folder.path / CARD)[name]
    except (ValueError, KeyError):  # not there yet
        return Gpu(name, card.name, card.total_bytes // MIB, 0, compute_capability=card.compute_capability)
