"""What the driver says of a card's memory (NVML). None where it, or a container, hides it: never 0."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

try:
    import pynvml
except ImportError:  # PyTorch measures without it
    pynvml = None


@dataclass(frozen=True)
class Occupancy:
    """Who has a card's memory."""

    process_bytes: int | None
    """What the asked process holds: its tensors, its cache, and the CUDA context."""
    device_bytes: int | None
    """What all processes hold together."""
    others: tuple[int, ...] | None
    """Other processes that compute on it, by PID as the driver counts them."""


UNKNOWN = Occupancy(None, None, None)


def occupancy(uuid: str, pid: int) -> Occupancy:
    """The memory of one card and of one process on it. A card is named by its UUID: other numberings differ."""
    with _nvml() as started:
        handle = _ask(lambda: pynvml.nvmlDeviceGetHandleByUUID(uuid)) if started else None
        if handle is None:
            return UNKNOWN
        memory = _ask(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
        running = _ask(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
        mine = [process.usedGpuMemory for process in running or () if process.pid == pid]
        return Occupancy(
            process_bytes=mine[0] if mine else None,  # also None where the driver lists it without its memory
            device_bytes=None if memory is None else int(memory.used),
            others=None if running is None else tuple(process.pid for process in running if process.pid != pid),
        )


def driver_version() -> str | None:
    """Version of the installed driver."""
    with _nvml() as started:
        version = _ask(pynvml.nvmlSystemGetDriverVersion) if started else None
    return version.decode() if isinstance(version, bytes) else version


@contextmanager
def _nvml() -> Iterator[bool]:
    """Whether there is a driver to ask, and the package that asks it."""
    if pynvml is None:
        yield False
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()


def _ask(question: Callable[[], Any]) -> Any:
    """The answer, or None: drivers refuse what a virtual machine, a container or a MIG slice may not see."""
    try:
        return question()
    except pynvml.NVMLError:
        return None
