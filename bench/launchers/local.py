"""Cases measured on this machine, each by its engine."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from bench.cases.case import Case
from bench.engines import cpu, cuda
from bench.engines.settings import Say, Settings
from bench.launchers.devices import on_devices
from bench.launchers.simulations import simulate_all
from bench.results.result import Result
from drystep.gpus.classes import Gpu
from drystep.measure.cards import cards, require_cards


def measure_all(
    cases: Sequence[Case], requested: Sequence[Case], gpus: Sequence[Gpu], settings: Settings, say: Say
) -> Iterator[Result]:
    """Measure cases; simulations run in parallel, those on several GPUs too, and come as they are done.

    `requested` are all cases of the grid: the cpu engine times a case in turns with Full where that is among them.
    Raises `ValueError`, before anything is measured, for an engine without a device.
    """
    if any(case.engine == "cuda" for case in cases):
        require_cards()
    return _measure_all(cases, requested, gpus, settings, say)


def _measure_all(
    cases: Sequence[Case], requested: Sequence[Case], gpus: Sequence[Gpu], settings: Settings, say: Say
) -> Iterator[Result]:
    for engine, group in groupby(cases, lambda case: case.engine):
        if engine == "simulate":
            yield from simulate_all(list(group), gpus, settings)
        elif engine == "cpu":
            yield from cpu.measure_all(group, requested, gpus, settings, say)
        else:
            cuda.require_idle(settings, say)
            yield from on_devices(cards(), list(group), lambda card, case: cuda.measure(case, card, gpus, settings))
