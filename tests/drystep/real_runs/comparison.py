"""A step simulated, and executed on the CPU, under the same rules."""

from drystep import simulate
from drystep.memory.replay import replay
from drystep.probe import probe
from drystep.trace.trace import Trace
from drystep.values.known import DEFAULT_LIMIT_BYTES
from tests.drystep.real_runs.training import BuildStep


def traces(build_step: BuildStep, known_limit_bytes: int | None = DEFAULT_LIMIT_BYTES) -> tuple[Trace, Trace]:
    """The same step simulated, and executed on the CPU. What it reads there, it is told in the simulation."""
    real = probe(build_step)
    return simulate(build_step, oracles=real.reads, known_limit_bytes=known_limit_bytes).trace, real.trace


def peak_bytes(trace: Trace) -> int:
    """Peak of allocated memory over the last step, by the rules of the caching allocator."""
    return replay(trace).peak_allocated_bytes
