"""Independent cases spread over several devices: one at a time on each."""

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from bench.cases.case import Case
from bench.results.result import Result
from drystep.measure.family import Family

Device = TypeVar("Device")


def on_devices(
    devices: Sequence[Device], cases: Sequence[Case], measure: Callable[[Device, Case], Result]
) -> Iterator[Result]:
    """Measure every case on the device that is free next; results come as they are done.

    `measure` does its work in processes of its own, so that a thread each is enough here. Whoever stops listening
    (Ctrl-C, say) stops them.
    """
    free: queue.SimpleQueue[Device] = queue.SimpleQueue()
    for device in devices:
        free.put(device)

    family = Family()

    def on_next(case: Case) -> Result:
        device = free.get()
        try:
            with family.joined():
                return measure(device, case)
        finally:
            free.put(device)

    pool = ThreadPoolExecutor(len(devices))
    try:
        for future in as_completed([pool.submit(on_next, case) for case in cases]):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        family.close()
