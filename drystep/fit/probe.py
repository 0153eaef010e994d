"""A step that really runs on the CPU, and what it reads there: answers for simulations of the same step."""

from dataclasses import dataclass

import torch

from drystep.cuda.rules import DEFAULT_PRECISION, DEFAULT_PROFILE, Rules
from drystep.simulator import trace_steps
from drystep.trace.failures import guarded
from drystep.trace.recorder import WARM_UP_STEPS, BuildStep
from drystep.trace.trace import Trace
from drystep.values.recorded import RecordedReads, RecordingOperators


@dataclass(frozen=True)
class Probe:
    """A real run of a step on the CPU."""

    trace: Trace
    """Its allocations, under the same rules as a simulation."""
    reads: RecordedReads
    """What it read. `simulate(build_step, oracles=reads)` answers the same."""


def probe(
    build_step: BuildStep,
    rules: Rules | str = DEFAULT_PROFILE,
    precision: str = DEFAULT_PRECISION,
    iterations: int = WARM_UP_STEPS + 1,
) -> Probe:
    """Run a training step on the CPU, as often as a simulation does, and record what it reads of values.

    `build_step` is that of `simulate`; let it build a small step, because it is really computed. Raises
    `SimulationError` for a step that fails.
    """
    operators = RecordingOperators()
    trace = trace_steps(guarded(build_step), torch.device("cpu"), rules, precision, iterations, operators=operators)
    return Probe(trace, operators.reads)
