"""Predicted times of `drystep fit` as tables for the terminal, 80 columns wide."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from drystep.commands.terminal import plain_table
from drystep.throughput import Throughput
from drystep.units import ABSENT

Row = Mapping[str, Any]
"""What JSON has of one card."""
NO_SPEEDS: Row = Throughput(()).to_fields()
"""What it would have of images per second if those were asked for and there were none."""


def ranks_table(rows: Sequence[Row], labels: Mapping[str, str]) -> Table:
    """The time of a step among ranks, one line per card."""
    table = plain_table(["GPU", "step ms", "exchange ms", "of it exposed"])
    for row in rows:
        table.add_row(labels[row["gpu"]], *(_ms(row[name]) for name in ("step_ms", "exchange_ms", "exposed_ms")))
    return table


def throughput_table(rows: Sequence[Row], labels: Mapping[str, str]) -> Table:
    """Images per second, one line per card: the best, and the smallest batch that comes close."""
    table = plain_table(["GPU", "best batch", "images/s", "step ms", "95 % at batch", "images/s"])
    for row in rows:
        best, enough = _cells(row["throughput"]["best"]), _cells(row["throughput"]["enough"])
        table.add_row(labels[row["gpu"]], *best, *enough[:2])
    return table


def remarks(rows: Sequence[Row], labels: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each card without a time, and for each whose best batch is not the one to take."""
    for row in rows:
        label, speeds = labels[row["gpu"]], row["throughput"] or NO_SPEEDS
        for reason in dict.fromkeys([row["time_unknown"], speeds["unknown"]]):
            if reason:
                yield f"No time for {label}: {reason}."
        best, enough = speeds["best"], speeds["enough"]
        if best and enough["batch_size"] < best["batch_size"]:
            share = enough["images_per_second"] / best["images_per_second"]
            yield (
                f"{label}: a batch of {enough['batch_size']} reaches {100 * share:.0f} % of the images per second of "
                f"{best['batch_size']}, and takes less memory."
            )
        if best and best["alloc_retries"]:
            yield (
                f"{label}: a batch of {best['batch_size']} fits with retries of the allocator, whose time is not in "
                "the prediction."
            )


def _cells(speed: Row | None) -> list[str]:
    """Batch size, images per second, and time of a step."""
    if speed is None:
        return [ABSENT] * 3
    return [str(speed["batch_size"]), f"{speed['images_per_second']:,.1f}", _ms(speed["step_ms"])]


def _ms(time_ms: float | None) -> str:
    return ABSENT if time_ms is None else f"{time_ms:,.1f}"
