"""What a person sees of a training: a bar in a terminal, now and then a line anywhere else."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from drystep.commands.terminal import say, stderr
from drystep.units import MIB

LINE_EVERY_S = 10.0


@dataclass(frozen=True)
class Seen:
    """What is shown of a step."""

    step: int
    """Steps that are done."""
    loss: float
    images_per_s: float
    memory_bytes: int
    """Peak of the device, or memory of the process on a CPU."""

    def __str__(self) -> str:
        return f"loss {self.loss:.4g}, {self.images_per_s:.1f} images/s, {self.memory_bytes / MIB:,.0f} MiB"


class Show(Protocol):
    """Shows a step."""

    def __call__(self, seen: Seen) -> None:
        """Called after every step."""


@contextmanager
def progress(what: str, done: int, steps: int) -> Iterator[Show]:
    """Show steps until the block ends: loss, speed, memory, and the time that is left."""
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[seen]}"),
            TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=stderr) as bars:
            bar = bars.add_task(what, total=steps, completed=done, seen="")
            yield lambda seen: bars.update(bar, completed=seen.step, seen=str(seen))
        return
    began = last = time.monotonic()

    def line(seen: Seen) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < LINE_EVERY_S and seen.step < steps:
            return
        last = now
        left_s = (now - began) / max(1, seen.step - done) * (steps - seen.step)
        say(f"{what}: step {seen.step} of {steps}, {seen}, {left_s / 60:.1f} min left")

    yield line
