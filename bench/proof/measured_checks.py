"""Peaks that were measured on real cards (`reports/measured`), beside those that today's code simulates."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.cases.case import Case
from bench.proof.folder import CARD, RESULTS
from bench.proof.rows import DECIDED
from bench.proof.sessions.simulation import simulate_on
from bench.proof.states import simulated_case
from bench.results.result import Result
from bench.results.staleness import code_staleness
from bench.results.store import read_results
from drystep.gpus.classes import Gpu, read_gpus, select_gpus
from drystep.validation.check import Check, Quantity
from reports.measured_cards import MEASURED

QUANTITIES: tuple[Quantity, ...] = ("allocated", "reserved")


def check_measured(folder: Path = MEASURED) -> Iterator[Check]:
    """Two checks, of allocated and of reserved memory, for each case that was measured on a card.

    Cases are simulated with the rules of the PyTorch and the card that measured them, unless their stored simulation is
    of today's code.
    """
    for path in sorted(folder.glob(f"*/{RESULTS}")):
        results = read_results(path).results
        stored = {result.case: result for result in results if result.case.engine == "simulate"}
        measured = [result for result in results if result.case.engine == "cuda" and result.status == "ok"]
        card = _card(path.with_name(CARD))
        for result in measured:
            start = time.perf_counter()
            simulated = _simulated(result, stored, card)
            if simulated.status == "ok":
                seconds = time.perf_counter() - start
                yield from (_check(result, simulated, quantity, seconds) for quantity in QUANTITIES)


def _simulated(measured: Result, stored: Mapping[Case, Result], card: Gpu | None) -> Result:
    case = simulated_case(measured.case, str(measured.environment.get("torch") or "") or None)
    found = stored.get(case)
    if found is not None and found.status == "ok" and not code_staleness(found):
        return found
    classes = [gpu for gpu in select_gpus() if gpu.name in measured.fits]
    return simulate_on(case, classes, card)[0]


def _card(path: Path) -> Gpu | None:
    """The class that a calibration has written, if it has."""
    try:
        return next(iter(read_gpus(path).values()))
    except ValueError:
        return None


def _check(measured: Result, simulated: Result, quantity: Quantity, seconds: float) -> Check:
    name = f"peak_{quantity}_bytes"
    lean_bytes = (simulated.memory or {})[name]
    right = _right_about_limits(measured, simulated) if quantity == "reserved" else []
    return Check(
        id=measured.case.title,
        group=f"{measured.environment.get('device')}, {quantity}",
        quantity=quantity,
        predicted_bytes=lean_bytes,
        lean_bytes=lean_bytes,
        measured_bytes=(measured.memory or {})[name],
        predicted_oom=False,
        measured_oom=None,
        capped_right=sum(right),
        capped_runs=len(right),
        seconds=seconds,
    )


def _right_about_limits(measured: Result, simulated: Result) -> list[bool]:
    """For each class that both decide: whether the simulation is right that the case runs out of memory, or not."""
    names = [name for name in measured.fits if name in simulated.fits]
    verdicts = [(measured.fits[name]["verdict"], simulated.fits[name]["verdict"]) for name in names]
    return [(real == "oom") == (ours == "oom") for real, ours in verdicts if ours in DECIDED]
