"""Whether a stored result still says what measuring again would: same code, versions, machine and settings."""

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.results.provenance import DEFAULT_ALLOCATOR, PACKAGES, describe_allocator, describe_environment
from bench.results.result import Result
from drystep.gpus.classes import Gpu


def code_staleness(result: Result) -> str:
    """What of the code or the versions has changed since a result; empty if nothing that could change it."""
    before, now = result.environment, _now(result.case.engine)
    for package in PACKAGES:
        if before.get(package) != now[package]:
            return f"measured with {package} {before.get(package)}, here is {now[package]}"
    if before.get("code_hash") != now["code_hash"]:
        return "measured with other code"
    return _other_allocator(result)


@functools.cache
def _now(engine: str) -> Mapping[str, Any]:
    """What a result of an engine would say of the code and the versions."""
    return describe_environment(engine, device="")


def staleness(result: Result, gpus: Sequence[Gpu], steps: int, device: str | None) -> str:
    """Why a stored result does not answer what is asked for now; empty if it does.

    `steps` is how many are to be timed, `device` what its engine measures on here; None where that makes no difference.
    """
    return (
        code_staleness(result)
        or _other_device(result.environment, device)
        or _other_classes(result, gpus)
        or _too_few_steps(result.time, steps)
    )


def _other_allocator(result: Result) -> str:
    """Not concerned are a case that states the settings itself, and the cuda engine, which takes the default ones."""
    before, now = result.environment.get("allocator", DEFAULT_ALLOCATOR), describe_allocator()
    if result.case.engine == "cuda" or result.case.alloc_conf or before == now:
        return ""
    return f"simulated with allocator settings {before}, here are {now}"


def summarise(reasons: Iterable[str]) -> list[str]:
    """One line per reason, with how many results it concerns."""
    return [f"{count} stale: {reason}" for reason, count in Counter(filter(None, reasons)).items()]


def _other_device(environment: Mapping[str, Any], device: str | None) -> str:
    before = environment.get("device")
    return f"measured on {before}, here is {device}" if device is not None and before != device else ""


def _other_classes(result: Result, gpus: Sequence[Gpu]) -> str:
    """Results that were never judged on a class do not count as stale, only as missing: see `unjudged`."""
    for gpu in gpus:
        now = result.case.rules.usable_bytes(gpu)
        before = result.fits.get(gpu.name, {}).get("usable_bytes", now)
        if before != now:
            return f"{gpu.name} had {before} usable bytes, now {now}"
    return ""


def _too_few_steps(time: Mapping[str, Any] | None, steps: int) -> str:
    samples = len(time["step_ms"]["samples"]) if time else steps
    return f"timed over {samples} steps, asked for are {steps}" if samples < steps else ""
