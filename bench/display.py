"""What the command line shows: progress on stderr, tables on stdout."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.case import Case
from bench.own_fit import OwnFit
from bench.results import Result
from bench.search import Headroom
from bench.simulation.simulation import Simulation

MIB = 1 << 20
GIB = 1 << 30
ABSENT = "–"

PIPE_WIDTH = 200
"""Columns of a table that nobody's terminal bounds."""

stdout = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """One line for the person who waits."""
    stderr.print(message, markup=False)


def follow(cases: Sequence[Case], results: Iterable[Result]) -> Iterator[Result]:
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


def results_table(results: Sequence[Result]) -> Table:
    """One row per result."""
    gpus = list(dict.fromkeys(gpu for result in results for gpu in result.fits))
    columns = ["case", "trained params", "allocated MiB", "reserved MiB", "step ms", *gpus]
    table = _table(columns)
    for result in results:
        memory, params = result.memory or {}, result.params or {}
        step = f"{result.time['step_ms']['median']:.1f}" if result.time else ABSENT
        verdicts = [result.fits.get(gpu, {}).get("verdict", ABSENT).replace("_", " ") for gpu in gpus]
        first = result.case.title if result.status == "ok" else f"{result.case.title}: {result.status}"
        table.add_row(
            first,
            f"{params['trainable_backbone']:,}" if params else ABSENT,
            _mib(memory.get("peak_allocated_bytes")),
            _mib(memory.get("peak_reserved_bytes")),
            step,
            *verdicts,
        )
    return table


def headroom_table(rows: Iterable[Headroom]) -> Table:
    """One row per method: does it fit, what is left, how far it can go."""
    table = _table(["method", "verdict", "headroom GiB", "largest batch", "largest image"])
    for row in rows:
        left = ABSENT if row.headroom_bytes is None else f"{row.headroom_bytes / GIB:.2f}"
        image = ABSENT if row.largest_image is None else "{} x {}".format(*row.largest_image)
        table.add_row(row.case.method, row.verdict.replace("_", " "), left, str(row.largest_batch), image)
    return table


def own_fit_table(rows: Iterable[OwnFit]) -> Table:
    """One row per card: does the step fit, what is left, how large a batch does."""
    columns = ["GPU", "verdict", "headroom GiB", "allocated MiB", "reserved MiB", "alloc retries", "largest batch"]
    table = _table(columns)
    for row in rows:
        fit = row.simulation.fits[row.gpu.name]
        table.add_row(
            row.gpu.label,
            fit.verdict.replace("_", " "),
            ABSENT if row.headroom_bytes is None else f"{row.headroom_bytes / GIB:.2f}",
            _mib(row.simulation.peak_allocated_bytes),
            _mib(row.simulation.peak_reserved_bytes),
            str(fit.alloc_retries),
            ABSENT if row.largest_batch is None else str(row.largest_batch),
        )
    return table


def at_peak(simulation: Simulation) -> str:
    """What is alive at the peak, the largest first."""
    parts = sorted(simulation.at_peak.items(), key=lambda part: -part[1])
    alive = ", ".join(f"{name.replace('_', ' ')} {_mib(size_bytes)}" for name, size_bytes in parts if size_bytes)
    return f"At the peak, in the {simulation.peak_phase} pass (MiB): {alive}".replace("optimizer pass", "optimizer")


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _mib(size_bytes: int | None) -> str:
    return ABSENT if size_bytes is None else f"{size_bytes / MIB:,.0f}"
