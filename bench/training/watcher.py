"""Who watches a training: hears of its steps, and of what a person should know."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Seen:
    """What is shown of a step."""

    step: int
    """Steps that are done."""
    loss: float
    images_per_s: float
    memory_bytes: int
    """Peak of the device, or memory of the process on a CPU."""


class Show(Protocol):
    """Shows a step."""

    def __call__(self, seen: Seen) -> None:
        """Called after every step."""


class Watcher:
    """Watches a training in silence. Those who speak override both."""

    def say(self, message: str) -> None:
        """Hear a sentence about what was found or done."""

    @contextmanager
    def steps(self, what: str, done: int, steps: int) -> Iterator[Show]:
        """Watch the steps of a training, of which some are done, until the block ends."""
        yield lambda seen: None
