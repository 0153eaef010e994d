"""What the processors did while something was timed, and whether other processes disturbed it."""

import os
import time
from dataclasses import dataclass
from typing import Self

import psutil

CONTENDED_SHARE = 0.05
"""Part of the processors' time: where others took more of it, what was timed meanwhile is contended.

Measured with 21 training steps of Swin-T (64 x 32 pixels) on two processors: while others took less than 2 %, a step
took at most 1.34 times as long as the shortest, with 8 to 15 % 1.6 times, and from 30 % on 9 to 82 times, because
each thread waits for the slowest.
"""
GRAIN_MS = 20.0
"""Systems count processor time in ticks of 10 ms on each processor. Two ticks more or less may be an error of this
count, so that others must have taken more than this in any case."""
BUSY = ("user", "nice", "system", "irq", "softirq", "steal", "interrupt", "dpc")
"""Names of processor times that are not idle, on any system. `steal` is what a host took from a virtual machine."""


@dataclass(frozen=True)
class ProcessorUse:
    """Processor time of one stretch of time, on all processors that this process may use."""

    wall_ms: float
    own_ms: float
    """What all threads of this process took."""
    others_ms: float
    """What everything else took: other processes, the system, and the host of a virtual machine."""
    processors: int

    def __add__(self, other: Self) -> Self:
        """Both stretches as one. `processors` are the same in both."""
        wall_ms, own_ms = self.wall_ms + other.wall_ms, self.own_ms + other.own_ms
        return type(self)(wall_ms, own_ms, self.others_ms + other.others_ms, self.processors)

    @property
    def own_share(self) -> float:
        """Part of the processors' time that this process took."""
        return self._share(self.own_ms)

    @property
    def others_share(self) -> float:
        """Part of the processors' time that others took."""
        return self._share(self.others_ms)

    @property
    def is_contended(self) -> bool:
        """Whether others took so much that it cannot be an error of the system's count."""
        return self.others_ms > GRAIN_MS and self.others_share > CONTENDED_SHARE

    def _share(self, part_ms: float) -> float:
        whole_ms = self.wall_ms * self.processors
        return part_ms / whole_ms if whole_ms > 0 else 0.0


class ProcessorClock:
    """Measures the use of the processors from its creation on."""

    def __init__(self) -> None:
        self._processors = _usable_processors()
        self._start = self._read()

    def use(self) -> ProcessorUse:
        """The use up to now."""
        wall_ms, own_ms, busy_ms = (now - then for now, then in zip(self._read(), self._start, strict=True))
        return ProcessorUse(wall_ms, own_ms, max(0.0, busy_ms - own_ms), len(self._processors))

    def _read(self) -> tuple[float, float, float]:
        """Milliseconds of the clock on the wall, of this process, and of all that the processors did."""
        return time.perf_counter() * 1e3, time.process_time() * 1e3, _busy_ms(self._processors)


def wait_until_calm(longest_s: float, interval_s: float = 0.2) -> None:
    """Sleep until others leave the processors alone for an interval, but no longer than `longest_s`."""
    end = time.monotonic() + longest_s
    while (left_s := end - time.monotonic()) > 0:
        clock = ProcessorClock()
        time.sleep(min(interval_s, left_s))
        if not clock.use().is_contended:
            return


def _usable_processors() -> list[int]:
    """Numbers of the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _busy_ms(processors: list[int]) -> float:
    """Milliseconds that some processors were not idle since the system started."""
    times = psutil.cpu_times(percpu=True)
    return 1e3 * sum(getattr(times[number], name, 0.0) for number in processors if number < len(times) for name in BUSY)
