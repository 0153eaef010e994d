"""What `run` and `tables` share: resume from a file, and measure with a progress bar."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import display, runner
from bench.case import Case
from bench.gpus import Gpu
from bench.results import Result, StoredResults, read_results


def resume(cases: Sequence[Case], gpus: Sequence[Gpu], out: Path | None, rerun: bool) -> runner.Resumed:
    """What a results file leaves to do; everything without a file."""
    if out is None:
        return runner.Resumed(list(cases), [], [])
    resumed = runner.resume(cases, gpus, out, rerun)
    for problem in resumed.problems:
        display.say(problem)
    return resumed


def measure(cases: Sequence[Case], gpus: Sequence[Gpu], steps: int, out: Path | None) -> Iterator[Result]:
    """Measure with a progress bar, into a file if there is one."""
    if out is None:
        measured = runner.run(cases, gpus, steps, display.say)
    else:
        measured = runner.run_into(out, cases, gpus, steps, display.say)
    return display.follow(cases, measured)


def read(path: Path) -> StoredResults:
    """Read a results file and name its bad lines."""
    stored = read_results(path)
    for problem in stored.problems:
        display.say(problem)
    return stored
