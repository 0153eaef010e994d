"""What a person sees of a training: a bar in a terminal, now and then a line anywhere else."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.training.watcher import Seen, Show, Watcher
from drystep.commands.terminal import say, stderr
from drystep.units import MIB

if TYPE_CHECKING:
    from bench.training.data.data_set import DataSet

LINE_EVERY_S = 10.0


def say_remarks(data: "DataSet") -> None:
    """Say which annotations of a data set were corrected or left out."""
    for remark in data.remarks:
        say(f"{data.folder}: {remark}")


class TerminalWatcher(Watcher):
    """Shows loss, speed, memory, and the time that is left, on stderr."""

    def say(self, message: str) -> None:
        """Print a sentence."""
        say(message)

    @contextmanager
    def steps(self, what: str, done: int, steps: int) -> Iterator[Show]:
        """Show steps until the block ends."""
        if not sys.stderr.isatty():
            yield _Lines(what, done, steps)
            return
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[seen]}"),
            TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=stderr) as bars:
            bar = bars.add_task(what, total=steps, completed=done, seen="")
            yield lambda seen: bars.update(bar, completed=seen.step, seen=_text(seen))


class _Lines:
    """A line every ten seconds, and one for the last step."""

    def __init__(self, what: str, done: int, steps: int) -> None:
        self.what, self.done, self.steps = what, done, steps
        self.began = self.last = time.monotonic()

    def __call__(self, seen: Seen) -> None:
        now = time.monotonic()
        if now - self.last < LINE_EVERY_S and seen.step < self.steps:
            return
        self.last = now
        left_s = (now - self.began) / max(1, seen.step - self.done) * (self.steps - seen.step)
        say(f"{self.what}: step {seen.step} of {self.steps}, {_text(seen)}, {left_s / 60:.1f} min left")


def _text(seen: Seen) -> str:
    return f"loss {seen.loss:.4g}, {seen.images_per_s:.1f} images/s, {seen.memory_bytes / MIB:,.0f} MiB"
