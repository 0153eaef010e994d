"""What the tests of users' loops have in common: a small classifier, and the peak of a trace that really ran."""

from collections import Counter

import torch
from torch import Tensor, nn

from drystep.memory.sizes import round_size
from drystep.simulator import trace_steps
from drystep.trace.recorder import BuildStep
from drystep.trace.trace import Trace

META, CPU = torch.device("meta"), torch.device("cpu")
WIDTH, CLASSES, SAMPLES = 256, 16, 64
WEIGHT_BYTES = 4 * (2 * WIDTH * WIDTH + CLASSES * WIDTH)
BIAS_BYTES = (1024, 1024, 512)
"""Of three layers; 512 is the smallest block."""
PARAMETER_BYTES = WEIGHT_BYTES + sum(BIAS_BYTES)
TENSORS = 6
"""Number of parameters."""


def classifier() -> nn.Sequential:
    """Two hidden layers and a head."""
    return nn.Sequential(
        nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, CLASSES)
    )


def batch() -> tuple[Tensor, Tensor]:
    """Inputs (64, 256) and labels (64), on the CPU as from a data loader."""
    return torch.zeros(SAMPLES, WIDTH), torch.zeros(SAMPLES, dtype=torch.int64)


def peak_bytes(trace: Trace) -> int:
    """Highest sum of blocks in the last step, without cuBLAS's workspaces."""
    alive_bytes = peak_bytes = 0
    for position, (index, born, _) in enumerate(trace.events):
        allocation = trace.allocations[index]
        size_bytes = 0 if allocation.workspace else round_size(allocation.requested_bytes)
        alive_bytes += size_bytes if born else -size_bytes
        if position >= trace.iteration_starts[-1]:
            peak_bytes = max(peak_bytes, alive_bytes)
    return peak_bytes


def requests(trace: Trace) -> Counter[tuple[str, str, int]]:
    """What the steps request, by phase, operator and size."""
    operators = [trace.operators[allocation.operator] for allocation in trace.allocations]
    return Counter(
        (operator.phase, operator.name, allocation.requested_bytes)
        for operator, allocation in zip(operators, trace.allocations, strict=True)
        if operator.phase != "build"
    )


def same_as_on_the_cpu(build_step: BuildStep, scalars: bool = True) -> int:
    """Assert that a step leaves the allocations of its real execution on the CPU; return its peak in bytes.

    Without `scalars`, blocks of up to 8 bytes may differ: numbers that a program keeps in host memory are not told from
    those of the device on a CPU.
    """
    meta, cpu = (trace_steps(build_step, device) for device in (META, CPU))
    of_meta, of_cpu = requests(meta), requests(cpu)
    if not scalars:
        of_meta, of_cpu = (Counter({of: count[of] for of in count if of[2] > 8}) for count in (of_meta, of_cpu))
    assert of_meta == of_cpu
    assert peak_bytes(meta) == peak_bytes(cpu)
    return peak_bytes(meta)
