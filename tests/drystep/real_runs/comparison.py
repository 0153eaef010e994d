"""A step simulated, and executed on the CPU, under the same rules."""

from drystep import simulate
from drystep.fit.probe import probe
from drystep.memory.replay import replay
from drystep.trace.trace import Trace
from tests.drystep.real_runs.training import BuildStep


def traces(build_step: BuildStep) -> tuple[Trace, Trace]:
    """The same step simulated, and executed on the CPU. What it reads there, it is told in the simulation."""
    real = probe(build_step)
    return simulate(build_step, oracles=real.reads).trace, real.trace


def peak_bytes(trace: Trace) -> int:
    """Peak of allocated memory over the last step, by the rules of the caching allocator."""
    return replay(trace).peak_allocated_bytes
