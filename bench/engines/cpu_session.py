"""The cpu engine inside its process, which executes the step and traces its memory as a GPU would allocate it."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from bench.cases.case import Case
from bench.cases.training_step import TrainingStep, prepare
from bench.engines.simulate import fit_fields, memory_fields, trace_case
from bench.engines.timing.contention import ProcessorClock
from bench.engines.timing.turns import Turn
from bench.results.provenance import describe_cpu, describe_environment
from drystep.gpus.classes import Gpu
from drystep.measure.phases import StepPhase, run_noting
from drystep.simulation import judge
from drystep.trace.recorder import WARM_UP_STEPS

CPU = torch.device("cpu")


class CpuSession:
    """One case on this machine's CPU."""

    def __init__(
        self, case: Mapping[str, Any], gpus: Sequence[Mapping[str, Any]], note_phase: Callable[[str], None]
    ) -> None:
        self.case = Case(**case)
        self.gpus = [Gpu(**gpu) for gpu in gpus]
        self.note_phase = note_phase
        note_phase("build")
        self.prepared = prepare(self.case, CPU)
        self.step: TrainingStep | None = None

    def memory(self) -> dict[str, Any]:
        """Trace the warm-up and one step per batch, and return the parameters, memory and fits of a result line."""

        def build_step(device: torch.device) -> Callable[[], None]:
            self.step = step = self.prepared.build_step(device)
            return lambda: run_noting(step, self.note_phase)

        trace = trace_case(self.case, build_step, CPU)
        simulation = judge(trace, self.gpus, self.case.rules)
        self.note_phase("timing")
        return {
            **self.so_far(),
            "memory": memory_fields(self.prepared, simulation),
            "fits": fit_fields(simulation),
            "environment": describe_environment("cpu", describe_cpu()),
        }

    def warm_up(self) -> None:
        """Run the steps of `memory` without a trace, for a case that is only timed."""
        self.step = self.prepared.build_step(CPU)
        for _ in range(WARM_UP_STEPS + self.case.batches):
            run_noting(self.step, self.note_phase)
        self.note_phase("timing")

    def time_turn(self) -> dict[str, Any]:
        """One more step and one inference by the backbone, timed, as fields of a `Turn`."""
        assert self.step is not None, "warm up first"
        clock = ProcessorClock()
        step_ms = time_phases(self.step)
        self.step.optimizer.zero_grad()  # hold only parameters and state while other processes run
        start = time.perf_counter()
        self.step.infer()
        inference_ms = (time.perf_counter() - start) * 1e3
        return Turn(step_ms, inference_ms, clock.use()).as_fields()

    def so_far(self) -> dict[str, Any]:
        """The fields that are known before any step."""
        return {"params": self.prepared.params}


def time_phases(step: Callable[[Callable[[StepPhase], None]], None]) -> dict[StepPhase, float]:
    """Run a step that reports the end of each phase, and return the milliseconds of each by this process's clock."""
    times_ms: dict[StepPhase, float] = {}
    last = time.perf_counter()

    def ended(phase: StepPhase) -> None:
        nonlocal last
        now = time.perf_counter()
        times_ms[phase] = (now - last) * 1e3
        last = now

    step(ended)
    return times_ms
