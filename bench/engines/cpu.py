"""The cpu engine, which executes the step. Its times are real; its memory is what a GPU would have allocated."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from bench.cases.case import Case
from bench.engines.foresight import announcement, refusal
from bench.engines.references import References
from bench.engines.settings import Say, Settings
from bench.engines.timings import Timings, relative_to
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
            found["time"] = _time(child, references, reference, settings.steps, say)
        except ChildError as error:
            return failed_result(case, error.failure, environment)
    return Result(case=case, status="ok", **found)


def _time(child: Child, references: References, reference: Case | None, steps: int, say: Say) -> dict[str, Any]:
    """Time steps, each after one of the reference. If the reference fails, this is reported and the ratio left out."""
    own, others = Timings(), Timings()
    for _ in range(steps):
        if reference is not None:
            try:
                others.add(*references.time_step(reference))
            except ChildError as error:
                say(f"{reference.title}, timed in turns: {error}")
                reference = None
        own.add(child.call("time_step"), child.call("time_inference"))
    fields = own.as_fields()
    if reference is not None:
        fields["relative_to"] = relative_to(reference.method, own, others)
    return fields


def _open(case: Case, settings: Settings, gpus: Sequence[Gpu] = ()) -> Child:
    arguments = {"case": case.as_dict(), "gpus": [asdict(gpu) for gpu in gpus]}
    return Child(SESSION, arguments, settings.time_limit_s, folders=[CHECKOUT])
