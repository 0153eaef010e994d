"""Objects that stand for those of a GPU: its properties, its streams and the events on them. None of them waits."""

from dataclasses import dataclass
from typing import Any

from drystep.cuda.scratch.multiprocessors import most_multiprocessors
from drystep.gpus.classes import Gpu, read_gpus
from drystep.units import MIB

ELAPSED_MS = 1.0
"""What passes between two events. It is not zero, because programs divide by it."""


@dataclass(frozen=True)
class Properties:
    """What `torch.cuda.get_device_properties` tells of a card."""

    name: str
    major: int
    minor: int
    total_memory: int
    """In bytes."""
    multi_processor_count: int
    warp_size: int = 32


def card_of(named: Gpu | str | None) -> Gpu:
    """The card that a program is told of: the one that the rules name.

    Otherwise it is the one with the newest architecture, which can do the most, and of these the one with most memory.
    """
    return named if isinstance(named, Gpu) else max(read_gpus().values(), key=_newest)


def _newest(card: Gpu) -> tuple[tuple[int, int], int]:
    return _version_of(card), card.visible_mib


def _version_of(card: Gpu) -> tuple[int, int]:
    """Version of the architecture; 0.0 where it is not known."""
    major, minor = (card.compute_capability or "0.0").split(".")
    return int(major), int(minor)


def properties_of(card: Gpu) -> Properties:
    """Properties of a class of cards."""
    major, minor = _version_of(card)
    multiprocessors = card.peaks.multiprocessors or most_multiprocessors(card.compute_capability)
    return Properties(card.label, major, minor, card.visible_mib * MIB, multiprocessors)


class Stream:
    """A stream on which nothing is put: all that a simulated step does is in the order of its calls."""

    priority = cuda_stream = stream_id = device_index = 0

    def __init__(self, device: Any) -> None:
        self.device = device

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *error: object) -> None:
        """Leave nothing."""

    def query(self) -> bool:
        """Whether all is done."""
        return True

    def record_event(self, event: Any = None) -> Any:
        """Return the event, or a new one."""
        return event if event is not None else Event()

    def synchronize(self, *_: object) -> None:
        """Wait for nothing."""

    wait_stream = wait_event = synchronize


class Event:
    """An event that has always happened."""

    def query(self) -> bool:
        """Whether it has happened."""
        return True

    def elapsed_time(self, later: object) -> float:
        """Milliseconds, which tell nothing."""
        return ELAPSED_MS

    def record(self, *_: object) -> None:
        """Do nothing."""

    wait = synchronize = record
