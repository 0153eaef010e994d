"""Other ways to run a step that may take less memory or time, each simulated."""

import importlib.util
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from drystep.errors import SimulationError
from drystep.fit.asked import AskedStep
from drystep.fit.sizes import size_asked
from drystep.gpus.classes import Gpu
from drystep.memory.verdict import FITTING, CardVerdict
from drystep.simulation import Simulation
from drystep.simulator import simulate

LEAST_GAIN = 0.02
"""Part of the memory and time together that a lever must save to be named, where it does not make the step fit."""


@dataclass(frozen=True)
class Lever:
    """Another way to run a step."""

    name: str
    """In a few words, as a user would say it."""
    option: str
    """What to add to the command line."""
    step: AskedStep
    batches: int = 1
    """Batches that one step computes, where those of the step as asked are fewer or larger."""


@dataclass(frozen=True)
class Advice:
    """What a lever does on one card, beside the step as asked. Memory is simulated, time predicted."""

    name: str
    option: str
    verdict: CardVerdict
    peak_reserved_bytes: int
    memory_change: float
    """-0.3 for a reserved peak that is 30 % lower."""
    time_change: float | None
    """The same of the time for as many images; None where it cannot be predicted."""
    makes_it_fit: bool

    @property
    def net_change(self) -> float:
        """Changes of memory and time together: a share of the one counts as much as a share of the other."""
        return self.memory_change + (self.time_change or 0.0)

    def to_fields(self) -> dict[str, Any]:
        """What JSON has of it."""
        return asdict(self)


def advice(asked: AskedStep, base: Simulation, gpu: Gpu, batch_size: int | None) -> list[Advice]:
    """Levers that would make a step fit a card, or make it cheaper there, the best first.

    `base` is the step as asked, simulated with `batch_size`. A lever that the model does not have, or whose step
    fails, is left out.
    """
    before_fits = base.fits[gpu.name].verdict in FITTING
    found = []
    for lever in levers(asked, gpu, batch_size):
        outcome = _outcome(lever, gpu)
        if outcome is None:
            continue
        memory_change = _change(outcome.peak_reserved_bytes, base.peak_reserved_bytes)
        time_change = _time_change(lever, outcome, base, gpu)
        fits = outcome.fits[gpu.name].verdict
        makes_it_fit = fits in FITTING and not before_fits
        one = Advice(
            lever.name, lever.option, fits, outcome.peak_reserved_bytes, memory_change, time_change, makes_it_fit
        )
        if makes_it_fit or one.net_change <= -LEAST_GAIN:
            found.append(one)
    return sorted(found, key=lambda one: (not one.makes_it_fit, one.net_change))


def levers(asked: AskedStep, gpu: Gpu, batch_size: int | None) -> Iterator[Lever]:
    """Levers that the step does not pull yet."""
    if "expandable_segments:True" not in asked.rules.allocator:
        both = ",".join(filter(None, (asked.rules.allocator, "expandable_segments:True")))
        yield Lever(
            "expandable segments", f"--alloc-conf {both}", replace(asked, rules=replace(asked.rules, allocator=both))
        )
    half = "amp-fp16" if gpu.peaks.lacks_bfloat16 else "amp-bf16"
    if asked.all_precision == "fp32":
        name = "mixed precision"
        lower = replace(asked, precision=half) if asked.is_file else asked.with_settings(precision=half)
        yield Lever(name, f"--precision {half}", lower)
    if asked.is_file or asked.settings.mode == "inference":
        yield from _smaller_batches(asked, batch_size, accumulates=False)
        return
    settings = asked.settings
    yield from _smaller_batches(asked, batch_size, accumulates=True)
    if not settings.checkpointing:
        yield Lever("checkpointing", "--checkpointing", asked.with_settings(checkpointing=True))
    if settings.fused_attention == "off":
        yield Lever("fused attention", "--fused-attention auto", asked.with_settings(fused_attention="auto"))
    if not settings.channels_last and settings.precision != "fp32":
        yield Lever("channels last", "--channels-last", asked.with_settings(channels_last=True))
    if settings.optimizer in ("adamw", "adam"):
        name = "adamw-8bit" if importlib.util.find_spec("bitsandbytes") else "adafactor"
        yield Lever(f"optimizer {name}", f"--optimizer {name}", asked.with_settings(optimizer=name))
    if settings.method == "full":
        if importlib.util.find_spec("peft"):
            yield Lever("LoRA", "--method lora", asked.with_settings(method="lora"))
        yield Lever("the head alone", "--method head", asked.with_settings(method="head"))


def _smaller_batches(asked: AskedStep, batch_size: int | None, accumulates: bool) -> Iterator[Lever]:
    if batch_size is None or batch_size < 2:
        return
    half = batch_size // 2
    smaller = replace(asked, batch_size=half)
    if not accumulates:
        yield Lever("half the batch", f"--batch-size {half}", smaller, batches=2)
        return
    times = 2 * asked.settings.accumulate
    option = f"--batch-size {half} --accumulate {times}"
    yield Lever("half the batch, accumulated", option, smaller.with_settings(accumulate=times))


def _outcome(lever: Lever, gpu: Gpu) -> Simulation | None:
    """The simulation of a lever's step; None where the model has no such lever or the step fails."""
    try:
        return _simulate(lever.step, gpu)
    except (SimulationError, ValueError):
        return None


def _simulate(asked: AskedStep, gpu: Gpu) -> Simulation:
    """Simulate a step at the sizes that were asked for, under a card's rules where the rules name none."""
    build_step = asked.load().build_step
    size = size_asked(build_step, asked.batch_size, asked.image_size)
    rules = asked.rules if asked.rules.card is not None else replace(asked.rules, card=gpu)
    build = partial(build_step, **size.keywords)
    repeats = not asked.is_file  # a made loop does the same in every step
    return simulate(
        build, rules, asked.precision, gpus=[gpu], oracles=asked.oracles, strict=asked.strict, repeats=repeats
    )


def _time_change(lever: Lever, outcome: Simulation, base: Simulation, gpu: Gpu) -> float | None:
    try:
        return _change(lever.batches * outcome.step_time(gpu).step_ms, base.step_time(gpu).step_ms)
    except ValueError:
        return None


def _change(after: float, before: float) -> float:
    return after / before - 1 if before else 0.0
