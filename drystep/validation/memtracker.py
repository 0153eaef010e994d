"""Comparison with PyTorch's own `MemTracker` on the same cases: time and error of both, measured in one run."""

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from unittest import mock

import torch
from torch import nn

from drystep.cuda.meta_cache import META
from drystep.memory.replay import replay
from drystep.simulator import trace_steps
from drystep.torch_private import mem_tracker_classes
from drystep.validation.ground_truth import MeasuredRun
from drystep.validation.networks import network_of
from drystep.validation.xmem_loop import build_loop

ITERATIONS = 2
"""Iterations of both. The optimizer's state exists in the second."""
DERIVED = ("times_faster", "our_error_percent", "tracker_error_percent")
"""Names of the properties of a comparison."""


class TrackedStep(Protocol):
    """A training step that gives access to its model and optimizer."""

    model: nn.Module
    optimizer: torch.optim.Optimizer

    def __call__(self) -> object:
        """Run one step."""
        ...


BuildTracked = Callable[[torch.device], Any]
"""Builds a `TrackedStep` on a device."""
TrackedCase = tuple[str, Callable[[], BuildTracked]]
"""Name of a case, and a function that prepares it, which counts as part of the time."""


@dataclass(frozen=True)
class Comparison:
    """One case, simulated and tracked. The times are from building the step to the peak."""

    id: str
    measured_bytes: int | None
    """Measured memory to compare with; None if it was not measured, or if the run ran out of memory."""
    our_bytes: int
    """Simulated peak of reserved memory."""
    our_seconds: float
    tracker_bytes: int | None
    """Peak of `MemTracker`, which tracks tensors and does not simulate the allocator; None if it failed."""
    tracker_seconds: float
    message: str = ""
    """Error of `MemTracker`, if it failed."""

    @property
    def times_faster(self) -> float | None:
        """Time of `MemTracker` divided by ours; None if it failed."""
        return None if self.tracker_bytes is None else self.tracker_seconds / self.our_seconds

    @property
    def our_error_percent(self) -> float | None:
        """Signed error; None without a measurement."""
        return _error(self.our_bytes, self.measured_bytes)

    @property
    def tracker_error_percent(self) -> float | None:
        """Signed error; None without a measurement, or if `MemTracker` failed."""
        return _error(self.tracker_bytes, self.measured_bytes)


def compare(runs: Sequence[MeasuredRun], further: Sequence[TrackedCase] = ()) -> Iterator[Comparison]:
    """Compare on measured runs, then on further cases without a measurement."""
    for run in runs:
        measured_bytes = None if run.oom else run.measured_bytes
        yield compare_one(run.id, lambda run=run: build_loop(run, network_of(run)), measured_bytes)  # type: ignore[misc]
    for name, prepare_step in further:
        yield compare_one(name, prepare_step, None)


def compare_one(name: str, prepare_step: Callable[[], BuildTracked], measured_bytes: int | None) -> Comparison:
    """Simulate a case and then track it. Both build the step anew."""
    start = time.perf_counter()
    trace = trace_steps(prepare_step(), META, "torch-2.11", "fp32", ITERATIONS)
    our_bytes = replay(trace, possible=True).peak_reserved_bytes
    our_seconds = time.perf_counter() - start
    start = time.perf_counter()
    tracker_bytes, message = None, ""
    try:
        tracker_bytes = track(prepare_step(), ITERATIONS)
    except Exception as error:  # a failure of MemTracker is a result, and does not end the comparison
        message = f"{type(error).__name__}: {error}".splitlines()[0]
    return Comparison(name, measured_bytes, our_bytes, our_seconds, tracker_bytes, time.perf_counter() - start, message)


def track(build_step: BuildTracked, iterations: int) -> int:
    """Return the peak of `MemTracker`, in bytes, over some iterations on fake tensors."""
    fake_mode, tracker_class = mem_tracker_classes()
    with fake_mode(allow_non_fake_inputs=True), _step_counts_without_values():
        step: TrackedStep = build_step(META)
        tracker = tracker_class()
        tracker.track_external(step.model, step.optimizer)
        with tracker, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of modules that died before their hooks
            for _ in range(iterations):
                step()
                tracker.reset_mod_stats()  # it refuses to enter a module again otherwise
    return int(tracker.get_tracker_snapshot("peak")[META]["Total"])


@contextmanager
def _step_counts_without_values() -> Iterator[None]:
    """Let optimizers read a step count, which fake tensors do not have. Memory does not depend on it."""
    with ExitStack() as patches:
        for name, module in list(sys.modules.items()):
            if name.startswith("torch.optim.") and hasattr(module, "_get_value"):
                patches.enter_context(mock.patch.object(module, "_get_value", return_value=1.0))
        yield


def _error(predicted_bytes: int | None, measured_bytes: int | None) -> float | None:
    if predicted_bytes is None or measured_bytes is None:
        return None
    return 100 * (predicted_bytes / measured_bytes - 1)
