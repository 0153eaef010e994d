"""The cuda engine, which runs a case on a real GPU, also under allocator limits that stand for smaller GPUs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.cases.case import Case
from bench.engines.settings import Say, Settings
from bench.engines.timing.timings import Timings
from bench.results.provenance import CHECKOUT, describe_environment
from bench.results.result import Result, failed_result
from drystep.gpus.classes import Gpu
from drystep.measure.cards import Card, cards
from drystep.measure.failure import ChildError
from drystep.measure.kernels import UNPINNED
from drystep.measure.parent import Child

SESSION = "bench.engines.cuda_session:CudaSession"

Fit = dict[str, Any]
OpenCase = Callable[[Case, Card, Settings, int | None], Child]
"""Starts the process of a case on a card; the number limits the allocator, in bytes."""


def require_idle(settings: Settings, say: Say) -> None:
    """Raise `ValueError` if other processes use a card, or only report it if the settings allow that."""
    for card in cards():
        users = card.in_use()
        if users and not settings.allow_busy:
            raise ValueError(
                f"GPU {card.index} ({card.name}) is in use: {users}; wait, choose another with "
                "CUDA_VISIBLE_DEVICES, or add --allow-busy"
            )
        if users:
            say(f"GPU {card.index} ({card.name}) is in use: {users}; times and what fits will suffer")


def measure(case: Case, card: Card, gpus: Sequence[Gpu], settings: Settings, opener: OpenCase | None = None) -> Result:
    """Measure one case on one card: memory, then times, then memory under the limit of each GPU class.

    `opener` starts its processes, by default `open_case`: whoever has several cases may start one ahead.
    """
    used_by_others = card.in_use()
    try:
        with (opener or open_case)(case, card, settings, None) as child:
            found = child.call("memory")
            timings = Timings()
            for step, inference_ms in child.call("time", steps=settings.steps):
                timings.add(step, inference_ms)
        result = Result(case=case, status="ok", time=timings.as_fields(), **found)
    except ChildError as error:
        environment = error.failure.so_far.get("environment") or describe_environment("cuda", card.name)
        result = failed_result(case, error.failure, environment)
    environment = {**result.environment, "in_use": used_by_others or None}
    return judged(replace(result, environment=environment), card, gpus, settings, opener)


def judged(
    result: Result, card: Card, gpus: Sequence[Gpu], settings: Settings, opener: OpenCase | None = None
) -> Result:
    """A measured result with the verdicts of GPU classes; its message says why some are missing, if so."""
    fits, problem = _fits(result, card, gpus, settings, opener or open_case)
    message = "; ".join(filter(None, [result.message, problem]))
    return replace(result, message=message, fits={gpu.name: fits[gpu.name] for gpu in gpus if gpu.name in fits})


def needs_limit(result: Result, gpu: Gpu) -> bool:
    """Whether only a run under a class's limit can tell if a measured case fits it."""
    return result.status == "ok" and result.memory is not None and not _never_at_limit(result.memory, gpu)


def _fits(
    result: Result, card: Card, gpus: Sequence[Gpu], settings: Settings, opener: OpenCase
) -> tuple[dict[str, Fit], str]:
    """Verdicts of the GPU classes, and the reason if some are missing.

    Classes are tried from the largest down, because a case that runs out of memory under one limit does so under
    smaller ones as well.
    """
    fits: dict[str, Fit] = {}
    if result.status == "error":
        return fits, ""
    implied_by = card.name if result.status == "oom" else ""
    for gpu in sorted(gpus, key=lambda gpu: -gpu.usable_bytes):
        if implied_by:
            fit = _fit("oom", gpu, None, None, f"implied by {implied_by}, which has more and runs out of memory")
        elif result.memory is not None and _never_at_limit(result.memory, gpu):
            how = f"measured on {card.name}, where the case never reaches the limit"
            fit = _fit("fits", gpu, result.memory["peak_reserved_bytes"], 0, how)
        else:
            try:
                fit = _run_under(result.case, card, gpu, settings, opener)
            except ChildError as error:
                return fits, f"{gpu.name} and smaller: {error}"
        fits = {gpu.name: fit} | fits  # smallest first, as the classes are listed
        implied_by = implied_by or (gpu.name if fit["verdict"] == "oom" else "")
    return fits, ""


def _never_at_limit(memory: Mapping[str, Any], gpu: Gpu) -> bool:
    """Whether a run without limit needed no more than the class has, so that its limit would change nothing."""
    return memory["peak_reserved_bytes"] <= gpu.usable_bytes and not memory["alloc_retries"]


def _run_under(case: Case, card: Card, gpu: Gpu, settings: Settings, opener: OpenCase) -> Fit:
    """Run the case's memory pass under a class's limit. Raises `ChildError` for failures other than out of memory."""
    how = f"simulated with an allocator limit on {card.name}"
    try:
        with opener(case, card, settings, gpu.usable_bytes) as child:
            memory = child.call("memory")["memory"]
    except ChildError as error:
        if error.failure.kind != "out_of_memory":
            raise
        memory = error.failure.so_far.get("memory", {})
        reserved_bytes, retries = memory.get("peak_reserved_bytes"), memory.get("alloc_retries")
        return {**_fit("oom", gpu, reserved_bytes, retries, how), "phase": error.failure.phase}
    verdict = "fits_with_retries" if memory["alloc_retries"] else "fits"
    return _fit(verdict, gpu, memory["peak_reserved_bytes"], memory["alloc_retries"], how)


def _fit(verdict: str, gpu: Gpu, reserved_bytes: int | None, retries: int | None, how: str) -> Fit:
    return {
        "verdict": verdict,
        "usable_bytes": gpu.usable_bytes,
        "peak_reserved_bytes": reserved_bytes,
        "alloc_retries": retries,
        "how": how,
    }


def open_case(case: Case, card: Card, settings: Settings, capacity_bytes: int | None) -> Child:
    """Start the process of a case on a card; the capacity limits its allocator."""
    arguments = {"case": case.as_dict(), "capacity_bytes": capacity_bytes}
    return Child(SESSION, arguments, settings.time_limit_s, {**UNPINNED, **card.environment}, [CHECKOUT])
