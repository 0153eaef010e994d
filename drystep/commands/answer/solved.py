"""The answers of `drystep solve`, on a terminal of 80 columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from drystep.batches.largest import LARGEST_BATCH
from drystep.commands.answer.parts import VERDICTS, coverage_line, size_text, speed_text, time_text
from drystep.commands.terminal import plain_table, print_paragraph, print_table
from drystep.errors import counted
from drystep.fit.sizes import LARGEST_IMAGE_SIDE
from drystep.memory.verdict import FITTING
from drystep.units import ABSENT, GIB

Row = Mapping[str, Any]
"""What JSON has of one card."""
BY = ("memory", "time")
MOST_CARDS = 6
"""Cards that are printed: the chosen one, and the next."""


def cards_in_order(rows: Sequence[Row], order: str) -> list[Row]:
    """The cards on which a step fits, the one to take first: the smallest, or the fastest of a known time."""
    fitting = [row for row in rows if row["verdict"] in FITTING]
    if order == "time":
        return sorted((row for row in fitting if row["step_ms"] is not None), key=lambda row: row["step_ms"])
    return sorted(fitting, key=lambda row: (row["usable_bytes"], row["step_ms"] or float("inf")))


def print_cards(rows: Sequence[Row], labels: Mapping[str, str], order: str, count: int) -> None:
    """Print the card to take and the next ones, of `count` that were judged."""
    if not rows:
        print_paragraph(f"None of {counted(count, 'card')} fits.")
        return
    what = {"memory": "The smallest card that fits", "time": "The fastest card that fits"}[order]
    print_paragraph(f"{what}, of {counted(count, 'card')}: {labels[rows[0]['gpu']]} (--gpu {rows[0]['gpu']})")
    table = plain_table(["GPU", "verdict", "usable GiB", "left GiB", "ms", "images/s"], left=2)
    for row in rows[:MOST_CARDS]:
        left = f"{row['headroom_bytes'] / GIB:.2f}"
        table.add_row(
            labels[row["gpu"]], VERDICTS[row["verdict"]], f"{row['usable_bytes'] / GIB:.2f}", left,
            time_text(row["step_ms"]), speed_text(row),
        )  # fmt: skip
    print_table(table)
    if rows[MOST_CARDS:]:
        print_paragraph(f"It also fits {counted(len(rows) - MOST_CARDS, 'further card')}: --json lists all.")
    _print_coverage(rows[:MOST_CARDS])


def print_batches(rows: Sequence[Row], labels: Mapping[str, str]) -> None:
    """Print the largest batch of each card and its speed, and the fastest and the smallest that comes close to it."""
    table = plain_table(["GPU", "largest", "images/s", "fastest", "images/s", "95 % at", "images/s"])
    for row in rows:
        speeds = row["throughput"]
        at = {each["batch_size"]: each for each in speeds["batches"]}
        largest = row["largest_batch"]
        table.add_row(
            labels[row["gpu"]],
            f"{largest:,}" if largest else "none",
            _speed(at.get(largest)),
            *_batch(speeds["best"]),
            *_batch(speeds["enough"]),
        )
    print_table(table)
    if any(row["largest_batch"] == LARGEST_BATCH for row in rows):
        print_paragraph(f"The search ends at {LARGEST_BATCH:,}.")
    _print_coverage(rows)


def print_images(rows: Sequence[Row], labels: Mapping[str, str]) -> None:
    """Print the largest image of each card."""
    table = plain_table(["GPU", "largest image", "batch"])
    for row in rows:
        batch = ABSENT if row["batch_size"] is None else f"{row['batch_size']:,}"
        table.add_row(labels[row["gpu"]], size_text(row["largest_image"]), batch)
    print_table(table)
    if any(max(row["largest_image"]) == LARGEST_IMAGE_SIDE for row in rows):
        print_paragraph(f"The search ends at sides of {LARGEST_IMAGE_SIDE:,} pixels.")


def _print_coverage(rows: Sequence[Row]) -> None:
    line = coverage_line(rows)
    if line:
        print_paragraph(line)


def _batch(speed: Row | None) -> list[str]:
    return [ABSENT if speed is None else f"{speed['batch_size']:,}", _speed(speed)]


def _speed(speed: Row | None) -> str:
    return ABSENT if speed is None else f"{speed['images_per_second']:,.0f}"
