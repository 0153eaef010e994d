"""The cuda engine inside its process: one case on one card, or under a limit that stands for a smaller card."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch

from bench.cases.case import Case
from bench.cases.training_step import TrainingStep, prepare
from bench.results.provenance import describe_environment
from drystep.measure import nvml
from drystep.measure.allocator_limit import limit_allocator
from drystep.measure.counters import Events, StepCounter, memory_fields, time_calls, time_steps, worst_step
from drystep.measure.kernels import describe_kernels, pin_kernels
from drystep.measure.phases import PhaseTimes
from drystep.trace.recorder import WARM_UP_STEPS

CUDA = torch.device("cuda", 0)
TIMING_WARM_UP_STEPS = 3
LOSS_SCALE_ROUNDS = 20
"""Most rounds of batches in which a loss scale may halve until gradients are finite. Before that, the optimizer takes
no step and has no state."""


class CudaSession:
    """One case on the one card that this process can see."""

    def __init__(self, case: Mapping[str, Any], capacity_bytes: int | None, note_phase: Callable[[str], None]) -> None:
        self.case = Case(**case)
        self.note_phase = note_phase
        self.phase = "build"
        self.counter = StepCounter(self._began)
        self.step: TrainingStep | None = None
        pin_kernels()
        if capacity_bytes is not None:
            limit_allocator(CUDA.index, capacity_bytes)
        self._began("build")
        self.prepared = prepare(self.case, CUDA)

    def memory(self) -> dict[str, Any]:
        """Run the warm-up and one step per batch, and read the counters of each phase."""
        step = self._built()
        warm_up = [self.counter.count(step) for _ in range(WARM_UP_STEPS)]
        for _ in range(LOSS_SCALE_ROUNDS):
            if step.optimizer.state:
                break
            for _ in self.prepared.batches:  # whole rounds, so that counting starts at a run's first batch
                self.counter.count(step)
        steady = [self.counter.count(step) for _ in range(self.case.batches)]
        memory = memory_fields(warm_up[0], steady)
        if self.case.batches > 1:
            memory["worst_batch"] = self.prepared.batch_fields(worst_step(steady))
        seen = nvml.occupancy(device_uuid(), os.getpid())
        memory["nvml"] = {"process_bytes": seen.process_bytes, "device_bytes": seen.device_bytes}
        return {"params": self.prepared.params, "memory": memory, "environment": self._environment()}

    def time(self, steps: int) -> list[tuple[PhaseTimes, float]]:
        """Milliseconds of each phase of some steps, and of as many inferences, both after a warm-up of their own."""
        step = self._built()
        self._began("timing")
        for _ in range(TIMING_WARM_UP_STEPS):
            step()
        times = time_steps(step, steps)
        step.optimizer.zero_grad()
        inferences = time_calls(step.infer, TIMING_WARM_UP_STEPS + steps)[TIMING_WARM_UP_STEPS:]
        return list(zip(times, inferences, strict=True))

    def so_far(self) -> dict[str, Any]:
        """The fields that the counters give after a step has failed."""
        memory = {
            **asdict(self.counter.peaks_so_far()),
            "peak_phase": self.phase,
            "at_peak": None,
            **asdict(Events.read()),
        }
        return {"params": self.prepared.params, "memory": memory, "environment": self._environment()}

    def _built(self) -> TrainingStep:
        if self.step is None:
            self.step = self.prepared.build_step(CUDA)
        return self.step

    def _began(self, phase: str) -> None:
        self.phase = phase
        self.note_phase(phase)

    def _environment(self) -> dict[str, Any]:
        environment = describe_environment("cuda", torch.cuda.get_device_name(CUDA), nvml.driver_version())
        return {**environment, "cuda": torch.version.cuda, "kernels": describe_kernels(self.case.fused_attention)}


def device_uuid() -> str:
    """UUID of the card in the form that NVML uses."""
    return f"GPU-{torch.cuda.get_device_properties(CUDA).uuid}"
