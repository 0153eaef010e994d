"""The cpu engine: the same step, really executed. Its times are real; its memory is what a GPU would have allocated."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy
import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.case import Case
from bench.engines.simulate import META, fit_fields, memory_fields, trace_case
from bench.environment import describe_cpu, describe_environment
from bench.gpus import Gpu
from bench.results import Result
from bench.simulation.simulation import WARM_UP_STEPS, Simulation, judge, trace_steps
from bench.training_step import PreparedCase, StepPhase, TrainingStep, batch_shapes, prepare

CPU = torch.device("cpu")
WORTH_SAYING_S = 120
"""A run that will take longer than this is announced."""

Say = Callable[[str], None]


@dataclass
class Timings:
    """Milliseconds of each phase, one entry per timed step."""

    phases: dict[StepPhase, list[float]] = field(
        default_factory=lambda: {"forward": [], "backward": [], "optimizer": []}
    )

    def time(self, step: TrainingStep) -> None:
        """Run one step and note its phases."""
        last = time.perf_counter()

        def ended(phase: StepPhase) -> None:
            nonlocal last
            now = time.perf_counter()
            self.phases[phase].append((now - last) * 1e3)
            last = now

        step(ended)
        step.optimizer.zero_grad()  # steps of other cases run in between: hold no more than parameters and state

    def as_fields(self) -> dict[str, Any]:
        """The `time` of a result line: median and spread of the step and, as `phases_ms`, of each phase."""
        samples = [sum(parts) for parts in zip(*self.phases.values(), strict=True)]
        spreads = {phase: _spread(values) for phase, values in self.phases.items()}
        return {
            "step_ms": {**_spread(samples), "samples": [round(sample, 3) for sample in samples]},
            **{f"{phase}_ms": spread["median"] for phase, spread in spreads.items()},
            "phases_ms": spreads,
        }


def _spread(samples_ms: Sequence[float]) -> dict[str, float]:
    p10, median, p90 = (round(float(value), 3) for value in numpy.percentile(samples_ms, (10, 50, 90)))
    return {"median": median, "p10": p10, "p90": p90}


def measure(cases: Sequence[Case], gpus: Sequence[Gpu], steps: int, say: Say) -> list[Result]:
    """Execute cases, interleaved: each round times one step of every case, so that all share the machine's moods.

    Memory is traced over separate steps before, which also warm up. Says beforehand what will take minutes; refuses,
    with an error result, what this machine's memory cannot hold.
    """
    refusal = _foresee(cases, steps, say)
    if refusal:
        environment = describe_environment(describe_cpu())
        return [Result(case=case, status="error", message=refusal, environment=environment) for case in cases]
    traced = [_trace(case, gpus) for case in cases]
    timings = [Timings() for _ in cases]
    for _ in range(steps):
        for (step, _, _), timing in zip(traced, timings, strict=True):
            timing.time(step)
    return [
        Result(
            case=case,
            status="ok",
            environment=describe_environment(describe_cpu()),
            params=prepared.params,
            memory=memory_fields(prepared, simulation),
            time=timing.as_fields(),
            fits=fit_fields(simulation),
        )
        for case, (_, prepared, simulation), timing in zip(cases, traced, timings, strict=True)
    ]


def _trace(case: Case, gpus: Sequence[Gpu]) -> tuple[TrainingStep, PreparedCase, Simulation]:
    prepared = prepare(case, CPU)
    built: list[TrainingStep] = []

    def build_step(device: torch.device) -> TrainingStep:
        built.append(prepared.build_step(device))
        return built[0]

    trace = trace_case(case, build_step, CPU)
    built[0].optimizer.zero_grad()
    return built[0], prepared, judge(trace, gpus)


def _foresee(cases: Sequence[Case], steps: int, say: Say) -> str:
    """Announce a long run, and return why it cannot be done, if so. The case that trains most stands for all."""
    cases, batches = [_on_largest_batch(case) for case in cases], cases[0].batches
    prepared = [prepare(case, META) for case in cases]
    # Between its turns a case holds its parameters and AdamW's two moments of those that train.
    resident_bytes = sum(4 * case.params["total"] + 8 * case.params["trainable_total"] for case in prepared)
    largest = max(zip(prepared, cases, strict=True), key=lambda pair: pair[0].params["trainable_total"])
    peak_bytes, flops = _cost_of_step(*largest)
    needed_bytes = resident_bytes + peak_bytes
    available_bytes = psutil.virtual_memory().available
    which = f"{len(cases)} cases at once need" if len(cases) > 1 else "this case needs"
    if needed_bytes > available_bytes:
        return (
            f"{which} about {needed_bytes / 2**30:.1f} GiB and this machine has {available_bytes / 2**30:.1f} GiB "
            "left: take fewer methods, a smaller image or backbone, or the simulate engine"
        )
    steps += WARM_UP_STEPS + batches
    seconds = flops * len(cases) * steps / _flops_per_second()
    if seconds > WORTH_SAYING_S:
        say(f"{which} about {seconds / 60:.0f} minutes on this CPU ({steps} real steps each)")
    return ""


def _on_largest_batch(case: Case) -> Case:
    """A case of one batch that takes at least what any batch of this one does."""
    shapes = batch_shapes(case)
    largest = max(shapes, key=lambda shape: shape.load)
    objects = max(shape.gt_boxes for shape in shapes)
    return replace(case, batches=1, image_size=largest.image_size, gt_boxes=objects)


def _cost_of_step(prepared: PreparedCase, case: Case) -> tuple[int, int]:
    """Peak bytes and floating-point operations of one step, found on meta tensors."""
    built = prepared.build_step(META)
    simulation = judge(trace_steps(lambda _: built, META, case.profile, case.precision, iterations=1), ())
    with FlopCounterMode(display=False) as counter:
        built()
    return simulation.peak_allocated_bytes, counter.get_total_flops()


def _flops_per_second() -> float:
    """What this CPU reaches in a matrix product of a size that Swin has."""
    size = 1024
    matrix = torch.randn(size, size)
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        matrix @ matrix
        durations.append(time.perf_counter() - start)
    return 2 * size**3 / min(durations)
