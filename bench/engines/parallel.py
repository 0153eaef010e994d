"""Simulations are independent and single-threaded: many of them are spread over the processor's cores."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import torch

from bench.case import Case
from bench.results import Result

CASES_PER_PROCESS = 4
"""A process pays off when it has this many cases: it needs some seconds to import PyTorch."""

Measure = Callable[[Case], Result]


def spread(measure: Measure, alone: Measure, cases: Sequence[Case]) -> Iterator[Result]:
    """Measure cases in several processes, or here if they are few; results come in the order of the cases.

    `measure` must be picklable and turn its exceptions into results itself. When one of the processes dies, nobody
    knows of which case: those without a result are then measured by `alone`, which gives each a process of its own.
    """
    processes = min(os.cpu_count() or 1, len(cases) // CASES_PER_PROCESS)
    if processes < 2:
        yield from map(measure, cases)
        return
    # A forked process would inherit PyTorch's thread pools in an undefined state.
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        done = 0
        try:
            for result in pool.map(measure, cases):
                done += 1
                yield result
        except BrokenProcessPool:
            yield from map(alone, cases[done:])
