"""The cpu engine, which executes the step. Its times are real; its memory is what a GPU would have allocated."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.cases.case import Case
from bench.engines.foresight import announcement, refusal
from bench.engines.references import References
from bench.engines.settings import Say, Settings
from bench.engines.timing.rounds import time_rounds
from bench.engines.timing.timings import relative_to
from bench.engines.timing.turns import Turn, take_round, timings_of
from bench.results.provenance import CHECKOUT, describe_cpu, describe_environment
from bench.results.result import Result, failed_result
from drystep.gpus.classes import Gpu
from drystep.measure.failure import ChildError, Failure
from drystep.measure.parent import Child

SESSION = "bench.engines.cpu_session:CpuSession"


def measure_all(
    cases: Iterable[Case], requested: Iterable[Case], gpus: Sequence[Gpu], settings: Settings, say: Say
) -> Iterator[Result]:
    """Execute cases one after the other, each in a fresh process, and in turns with Full if that is `requested`."""
    with References(requested, settings, _open) as references:
        for case in cases:
            yield measure(case, gpus, settings, references, say)


def measure(case: Case, gpus: Sequence[Gpu], settings: Settings, references: References, say: Say) -> Result:
    """Execute one case: first its memory, then its times.

    Announces a case that will take minutes. A case that this machine's memory cannot hold is refused, with an error
    result.
    """
    environment = describe_environment("cpu", describe_cpu())
    reference = references.case_for(case)
    reason = refusal(case, reference)
    if reason:
        return failed_result(case, Failure("refused", reason, "opening"), environment)
    announced = announcement(case, reference, settings.steps)
    if announced:
        say(announced)
    with _open(case, settings, gpus) as child:
        try:
            found = child.call("memory")
            found["time"] = _time(child, references, reference, settings, say)
        except ChildError as error:
            return failed_result(case, error.failure, environment)
    contention = found["time"].get("contention")
    if contention:
        say(_contention_text(case, contention))
    return Result(case=case, status="ok", **found)


def _time(child: Child, references: References, reference: Case | None, settings: Settings, say: Say) -> dict[str, Any]:
    """Time rounds of the case and its reference. If the reference fails, this is said and the ratio left out."""
    failed = reference is None

    def own() -> Turn:
        return Turn.from_fields(child.call("time_turn"))

    def other() -> Turn | None:
        nonlocal failed
        if reference is None or failed:
            return None
        try:
            return references.time_turn(reference)
        except ChildError as error:
            say(f"{reference.title}, timed in turns: {error}")
            failed = True
            return None

    found = time_rounds(lambda number: take_round(number, own, other), settings.steps, lambda: child.left_s)
    mine = timings_of(one.own for one in found.kept)
    fields = mine.as_fields()
    others = [one.reference for one in found.kept if one.reference is not None]
    if reference is not None and not failed:
        fields["relative_to"] = relative_to(reference.method, mine, timings_of(others))
    contention = found.contention_fields()
    if contention:
        fields["contention"] = contention
    return fields


def _contention_text(case: Case, contention: Mapping[str, Any]) -> str:
    """What a person who waits should know of a case that was disturbed until the end of its budget."""
    return (
        f"{case.title}: other processes took {contention['others_percent']:.0f} % of the processors during "
        f"{contention['contended_rounds']} of {contention['rounds']} timed steps, so its times are too long"
    )


def _open(case: Case, settings: Settings, gpus: Sequence[Gpu] = ()) -> Child:
    arguments = {"case": case.as_dict(), "gpus": [asdict(gpu) for gpu in gpus]}
    return Child(SESSION, arguments, settings.time_limit_s, folders=[CHECKOUT])
