"""Predicted times of `drystep fit` as tables for the terminal, 80 columns wide."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from drystep.batches.throughput import Throughput
from drystep.commands.terminal import plain_table
from drystep.units import ABSENT

Row = Mapping[str, Any]
"""What JSON has of one card."""
NO_SPEEDS: Row = Throughput(()).to_fields()
"""What it would have of images per second if those were asked for and there were none."""


def times_table(rows: Sequence[Row], labels: Mapping[str, str]) -> Table:
    """The time of a step, its interval, and how much of it rests on measured operators, one line per card."""
    among_ranks = rows[0]["ranks"] is not None
    table = plain_table(["GPU", "step ms", "four of five", "measured", *(["exchange ms", "exposed"] * among_ranks)])
    for row in rows:
        exchange = [_ms(row["exchange_ms"]), _ms(row["exposed_ms"])] if among_ranks else []
        table.add_row(labels[row["gpu"]], _ms(row["step_ms"]), interval(row), _share(row["coverage"]), *exchange)
    return table


def interval(row: Row) -> str:
    """Least and most of a predicted time, as "290 to 345"."""
    if row["least_ms"] is None:
        return ABSENT
    return f"{_ms(row['least_ms'])} to {_ms(row['most_ms'])}"


def throughput_table(rows: Sequence[Row], labels: Mapping[str, str]) -> Table:
    """Images per second, one line per card: the best, and the smallest batch that comes close."""
    table = plain_table(["GPU", "best batch", "images/s", "step ms", "95 % at batch", "images/s"])
    for row in rows:
        best, enough = _cells(row["throughput"]["best"]), _cells(row["throughput"]["enough"])
        table.add_row(labels[row["gpu"]], *best, *enough[:2])
    return table


def remarks(rows: Sequence[Row], labels: Mapping[str, str]) -> Iterator[str]:
    """What times rest on, and a sentence for each card without one or whose best batch is not the one to take."""
    for row in rows:
        if row["rests_on"]:
            yield f"{labels[row['gpu']]}: predicted from {' and from '.join(row['rests_on'])}."
    for row in rows:
        label, speeds = labels[row["gpu"]], row["throughput"] or NO_SPEEDS
        asked = row["ranks"] is not None or row["throughput"] is not None
        for reason in dict.fromkeys([row["time_unknown"] if asked else "", speeds["unknown"]]):
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


def _share(part: float | None) -> str:
    return ABSENT if part is None else f"{100 * part:.0f} %"
