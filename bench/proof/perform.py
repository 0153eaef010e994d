"""How each kind of item is done: on the card, in a process of its own, and into the folder."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.cases.case import Case
from bench.engines import cuda
from bench.engines.settings import Settings
from bench.proof.ahead import Ahead
from bench.proof.clock import ITEM_LIMIT_S
from bench.proof.folder import CARD, Folder, Note
from bench.proof.plan import Item, Kind
from bench.results.provenance import CHECKOUT, describe_environment
from bench.results.result import Result
from drystep.gpus.classes import Gpu
from drystep.measure import nvml
from drystep.measure.cards import Card
from drystep.measure.failure import ChildError
from drystep.measure.impersonal import impersonal
from drystep.measure.kernels import UNPINNED
from drystep.measure.parent import Child
from drystep.units import MIB

SNAPSHOT_SESSION = "bench.proof.sessions.snapshot:SnapshotSession"
CALIBRATION_SESSION = "bench.proof.sessions.calibration:CalibrationSession"
TESTS_SESSION = "bench.proof.sessions.gpu_tests:TestsSession"


class UnfinishedError(Exception):
    """The time of the run was up before an item ended. Nothing of it is stored."""


@dataclass(frozen=True)
class Place:
    """Where items are done, and what they share."""

    card: Card
    gpus: Sequence[Gpu]
    """The classes whose limits are tried."""
    folder: Folder
    ahead: Ahead


def perform(item: Item, place: Place, limit_s: float) -> str:
    """Do an item in this time, store what came out, and say it in a few words.

    What fails is stored as a failure. Raises `UnfinishedError` where the time was up, and `OutputError`.
    """
    start = time.monotonic()
    if item.case is not None and item.kind in ("case", "limits"):
        return _OF_CASES[item.kind](item.case, place, limit_s)
    environment = describe_environment("cuda", place.card.name, nvml.driver_version())
    try:
        note = _OTHERS[item.kind](item, place, limit_s)
    except ChildError as error:
        _refuse_unfinished(error.failure.kind, limit_s)
        message = impersonal(error.failure.message, {CHECKOUT: ""})
        note = Note(item.title, "error", message, figures={"phase": error.failure.phase})
    place.folder.add_note(replace(note, seconds=round(time.monotonic() - start, 2), environment=environment))
    return f"{note.status}: {note.message}" if note.message else note.status


def _measure(case: Case, place: Place, limit_s: float) -> str:
    settings = Settings(time_limit_s=limit_s)
    result = cuda.measure(case, place.card, (), settings, place.ahead.open_case)
    _refuse_unfinished((result.failure or {}).get("kind"), limit_s)
    known = [gpu for gpu in place.gpus if not cuda.needs_limit(result, gpu)]
    place.folder.add_result(cuda.judged(result, place.card, known, settings))
    return _said(result)


def _measure_limits(case: Case, place: Place, limit_s: float) -> str:
    result = place.folder.measured.get(case)
    if result is None or result.status == "error":
        raise UnfinishedError("the case itself was not measured")
    start = time.monotonic()
    # What an earlier try said of verdicts that it did not find out is no part of the result any more.
    fresh = replace(result, message="") if result.status == "ok" else result
    judged = cuda.judged(fresh, place.card, place.gpus, Settings(time_limit_s=limit_s), place.ahead.open_case)
    if len(judged.fits) < len(place.gpus) and time.monotonic() - start >= limit_s:
        _refuse_unfinished("timeout", limit_s)
    place.folder.add_result(judged)
    return ", ".join(f"{name} {fit['verdict']}" for name, fit in judged.fits.items()) or judged.message


def _record(item: Item, place: Place, limit_s: float) -> Note:
    assert item.case is not None
    with _open(SNAPSHOT_SESSION, {"case": item.case.as_dict()}, place.card, limit_s) as child:
        found = child.call("requests")
    stored = place.folder.add_requests(item.title, found["requests"])
    return Note(item.title, "ok", figures={**found["figures"], "requests_stored": stored})


def _calibrate(item: Item, place: Place, limit_s: float) -> Note:
    with _open(CALIBRATION_SESSION, {}, place.card, limit_s) as child:
        block = child.call("block")
    place.folder.write(CARD, block)
    return Note(item.title, "ok", figures={"block": block})


def _run_tests(item: Item, place: Place, limit_s: float) -> Note:
    with _open(TESTS_SESSION, {}, place.card, limit_s) as child:
        found = child.call("run")
    if "left_out" in found:
        return Note(item.title, "left out", found["left_out"])
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(found["counts"].items()))
    failed = found["failed"] or found["exit_status"]
    return Note(
        item.title, "error" if failed else "ok", counts or f"pytest ended with {found['exit_status']}", figures=found
    )


_OF_CASES: Mapping[Kind, Callable[[Case, Place, float], str]] = {"case": _measure, "limits": _measure_limits}
_OTHERS: Mapping[Kind, Callable[[Item, Place, float], Note]] = {
    "snapshot": _record,
    "calibration": _calibrate,
    "tests": _run_tests,
}


def _open(opener: str, arguments: Mapping[str, Any], card: Card, limit_s: float) -> Child:
    return Child(opener, arguments, limit_s, {**UNPINNED, **card.environment}, [CHECKOUT])


def _refuse_unfinished(kind: str | None, limit_s: float) -> None:
    """Raise `UnfinishedError` where the run's end, rather than an item's own limit, has stopped it."""
    if kind == "timeout" and limit_s < ITEM_LIMIT_S:
        raise UnfinishedError("stopped at the end of the run")


def _said(result: Result) -> str:
    memory, step_ms = result.memory or {}, ((result.time or {}).get("step_ms") or {}).get("median")
    words = [] if result.status == "ok" else [f"{result.status}: {result.message}"]
    if "peak_allocated_bytes" in memory:
        words += [f"allocated {memory['peak_allocated_bytes'] / MIB:,.0f} MiB"]
        words += [f"reserved {memory['peak_reserved_bytes'] / MIB:,.0f} MiB"]
    words += [] if step_ms is None else [f"step {step_ms:.1f} ms"]
    return ", ".join(words)
