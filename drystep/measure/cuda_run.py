"""A training step, really run on the current GPU, if need be under an allocator limit."""

import gc
import traceback
from dataclasses import dataclass

import torch

from drystep.measure.allocator_limit import card_bytes, limit_allocator
from drystep.measure.counters import NOTHING, Events, Peaks
from drystep.measure.failure import describe, kind_of
from drystep.program.source_lines import line_of_error
from drystep.torch_private import clear_cublas_workspaces
from drystep.trace.recorder import BuildStep


@dataclass(frozen=True)
class CudaRun:
    """What the allocator counted, less what the process held before."""

    device: str
    peak_allocated_bytes: int
    """In the last step; up to the failure if memory ran out."""
    peak_reserved_bytes: int
    """From the build on."""
    alloc_retries: int
    ran_out: str | None
    """Where and how memory ran out, in one line; None where it did not."""


def holds(limit_bytes: int) -> bool:
    """Whether the current GPU is large enough to stand for one of this limit."""
    device = torch.cuda.current_device()
    return limit_bytes + torch.cuda.memory_reserved(device) <= card_bytes(device)


def run_on_cuda(build_step: BuildStep, iterations: int, limit_bytes: int | None = None) -> CudaRun:
    """Build a step, run it, and read the counters of the last one.

    What the process holds already (models of other tests) is no part of it, and the limit comes on top of it. Raises
    what the step raises, except for memory that runs out.
    """
    index = torch.cuda.current_device()
    _release()
    held_allocated, held_reserved = torch.cuda.memory_allocated(index), torch.cuda.memory_reserved(index)
    retries_before = Events.read().alloc_retries
    fraction_before = torch.cuda.get_per_process_memory_fraction(index)
    if limit_bytes is not None:
        limit_allocator(index, min(limit_bytes + held_reserved, card_bytes(index)))
    try:
        last, whole, ran_out = _run(build_step, iterations, torch.device("cuda", index))
        retries = Events.read().alloc_retries - retries_before
    finally:
        torch.cuda.set_per_process_memory_fraction(fraction_before, index)
        _release()
    return CudaRun(
        device=torch.cuda.get_device_name(index),
        peak_allocated_bytes=(whole if ran_out else last).peak_allocated_bytes - held_allocated,
        peak_reserved_bytes=whole.peak_reserved_bytes - held_reserved,
        alloc_retries=retries,
        ran_out=ran_out,
    )


def _run(build_step: BuildStep, iterations: int, device: torch.device) -> tuple[Peaks, Peaks, str | None]:
    """Peaks of the last step and of everything, and how memory ran out, if it did."""
    before, ran_out = NOTHING, None
    torch.cuda.reset_peak_memory_stats()
    try:
        step = build_step(device)
        for iteration in range(iterations):
            if iteration == iterations - 1:
                torch.cuda.synchronize()
                before = Peaks.read()
                torch.cuda.reset_peak_memory_stats()
            step()
        torch.cuda.synchronize()
    except Exception as error:
        if kind_of(error) != "out_of_memory":
            raise
        ran_out = f"{line_of_error(error) or 'the step'}: {describe(error)}"
        traceback.clear_frames(error.__traceback__)  # they hold the tensors of the step
    last = Peaks.read()
    return last, before | last, ran_out


def _release() -> None:
    """Give back what nobody uses, cuBLAS's workspaces included: they would hide that a step needs them."""
    gc.collect()
    clear_cublas_workspaces()
    torch.cuda.empty_cache()
