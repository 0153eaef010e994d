"""What `run` and `tables` share: resume from a file, and measure with a progress bar."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.cases.case import Case
from bench.engines.allocator_notes import allocator_notes
from bench.engines.settings import Settings
from bench.launchers import run as runner
from bench.results.result import Result
from bench.results.store import StoredResults, read_results
from drystep.commands.terminal import say, stderr
from drystep.gpus.classes import Gpu


@dataclass(frozen=True)
class Grid:
    """Cases to measure, and how."""

    cases: Sequence[Case]
    gpus: Sequence[Gpu]
    settings: Settings
    out: Path | None = None
    """Where results are kept, and looked for."""

    def resume(self, rerun: bool) -> runner.Resumed:
        """What the results file leaves to do; everything without a file. Says what is wrong with the file."""
        if self.out is None:
            return runner.Resumed(list(self.cases), [], [])
        resumed = runner.resume(self.cases, self.gpus, self.out, rerun, self.settings)
        for line in (*resumed.problems, *resumed.stale):
            say(line)
        return resumed

    def measure(self, missing: Sequence[Case]) -> Iterator[Result]:
        """Measure what is missing with a progress bar, into the file if there is one."""
        if not missing:  # starting a launcher imports PyTorch, which takes seconds
            return iter(())
        for line in allocator_notes(missing):
            say(line)
        if self.out is None:
            measured = runner.run(missing, self.gpus, self.settings, say, self.cases)
        else:
            measured = runner.run_into(self.out, missing, self.gpus, self.settings, say, self.cases)
        return _follow(missing, measured)


def read(path: Path) -> StoredResults:
    """Read a results file and name its bad lines."""
    stored = read_results(path)
    for problem in stored.problems:
        say(problem)
    return stored


def _follow(cases: Sequence[Case], results: Iterable[Result]) -> Iterator[Result]:
    """Pass results on as they come, with a progress bar; what went wrong is said at once."""
    with _progress() as progress:
        task = progress.add_task(cases[0].title if cases else "", total=len(cases))
        for number, result in enumerate(results, start=1):
            upcoming = cases[number].title if number < len(cases) else "done"
            progress.update(task, completed=number, description=upcoming)
            if result.status != "ok":
                progress.console.print(f"{result.case.title}: {result.status}: {result.message}", markup=False)
            yield result


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (MofNCompleteColumn(), BarColumn(20), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=stderr, transient=True) as progress:
        yield progress
