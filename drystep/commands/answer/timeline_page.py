"""A page with the memory of a step as a picture, and what is alive at its peak."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drystep.commands.answer.curves import picture
from drystep.commands.answer.explained import VISUALIZER
from drystep.commands.answer.peak_tables import NO_MODULE, peak_lines, tensor_name
from drystep.commands.answer.rendering import render
from drystep.files.whole import write_whole
from drystep.units import MIB

Explained = Mapping[str, Any]


def write_timeline_page(path: Path, title: str, explained: Explained, capacities: Mapping[str, int], top: int) -> None:
    """Write the page; `capacities` are usable bytes by label of a card, and tables have `top` rows.

    Raises `OSError`.
    """
    failed = explained["failed_request_bytes"] is not None
    page = render(
        "timeline.html",
        title=f"{title}, simulated",
        lines=[line[:1].upper() + line[1:] + "." for line in peak_lines(explained)],
        picture=picture(explained, capacities),
        tables=list(_tables(explained, top)),
        when="When memory ran out" if failed else "At the peak",
        visualizer=VISUALIZER,
    )
    write_whole(path, page)


def _tables(explained: Explained, top: int) -> Iterator[tuple[str, list[tuple[str, str, str, str]]]]:
    total = explained["peak"]["allocated_bytes"]
    sums = {
        "kind": [(name.replace("_", " "), size) for name, size in explained["by_category"].items()],
        "module": [(row["module"] or NO_MODULE, row["total_bytes"]) for row in explained["by_module"]],
        "operator": list(explained["by_operator"].items()),
        "tensor": [(tensor_name(block), block["size_bytes"]) for block in explained["alive"]],
    }
    for name, rows in sums.items():
        shown = rows[:top]
        rest = sum(size for _, size in rows[top:])
        if rest:
            shown.append((f"({len(rows) - top} more)", rest))
        yield name, [_share_row(label, size, total) for label, size in shown]


def _share_row(label: str, size_bytes: int, total_bytes: int) -> tuple[str, str, str, str]:
    """Label, MiB, percent as a number, and as text."""
    percent = 100 * size_bytes / total_bytes if total_bytes else 0.0
    return label, f"{size_bytes / MIB:,.1f}", f"{percent:.2f}", f"{percent:.1f} %"
