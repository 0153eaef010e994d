"""What `run` and `tables` share: resume from a file, and measure with a progress bar."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import display, runner
from bench.case import Case
from bench.gpus import Gpu
from bench.results import Result, StoredResults, read_results
from bench.settings import Settings


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
            display.say(line)
        return resumed

    def measure(self, missing: Sequence[Case]) -> Iterator[Result]:
        """Measure what is missing with a progress bar, into the file if there is one."""
        if self.out is None:
            measured = runner.run(missing, self.gpus, self.settings, display.say, self.cases)
        else:
            measured = runner.run_into(self.out, missing, self.gpus, self.settings, display.say, self.cases)
        return display.follow(missing, measured)


def read(path: Path) -> StoredResults:
    """Read a results file and name its bad lines."""
    stored = read_results(path)
    for problem in stored.problems:
        display.say(problem)
    return stored
