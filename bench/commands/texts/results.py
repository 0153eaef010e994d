"""Results as tables for the terminal."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from bench.results.result import Result
from drystep.commands.terminal import mib_cell, plain_table
from drystep.units import ABSENT, GIB

if TYPE_CHECKING:  # importing it takes seconds, because it simulates
    from bench.engines.headroom import Headroom


def results_table(results: Sequence[Result]) -> Table:
    """One row per result. A step time is called busy if other processes disturbed it."""
    gpus = list(dict.fromkeys(gpu for result in results for gpu in result.fits))
    columns = ["case", "trained params", "allocated MiB", "reserved MiB", "step ms", *gpus]
    table = plain_table(columns)
    for result in results:
        memory, params = result.memory or {}, result.params or {}
        step_ms = ((result.time or {}).get("step_ms") or {}).get("median")
        busy = " (busy)" if (result.time or {}).get("contention") else ""
        trained = params.get("trainable_backbone")
        verdicts = [(result.fits.get(gpu, {}).get("verdict") or ABSENT).replace("_", " ") for gpu in gpus]
        first = result.case.title if result.status == "ok" else f"{result.case.title}: {result.status}"
        table.add_row(
            first,
            ABSENT if trained is None else f"{trained:,}",
            mib_cell(memory.get("peak_allocated_bytes")),
            mib_cell(memory.get("peak_reserved_bytes")),
            ABSENT if step_ms is None else f"{step_ms:.1f}{busy}",
            *verdicts,
        )
    return table


def headroom_table(rows: "Iterable[Headroom]") -> Table:
    """One row per method: does it fit, what is left, how far it can go."""
    table = plain_table(["method", "verdict", "headroom GiB", "largest batch", "largest image"])
    for row in rows:
        left = ABSENT if row.headroom_bytes is None else f"{row.headroom_bytes / GIB:.2f}"
        image = ABSENT if row.largest_image is None else "{} x {}".format(*row.largest_image)
        table.add_row(row.case.method, row.verdict.replace("_", " "), left, str(row.largest_batch), image)
    return table
