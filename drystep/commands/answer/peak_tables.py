"""What is alive at the peak of a step, as tables for the terminal."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from drystep.commands.terminal import plain_table
from drystep.memory.timeline import Timeline
from drystep.trace.trace import CATEGORIES
from drystep.units import ABSENT, MIB, VISIBLE_BYTES

NO_MODULE = "(no module)"


def module_table(timeline: Timeline, depth: int | None, top: int) -> Table:
    """One row per module, one column per kind of memory; what is not among the first `top` is summed up."""
    rows = timeline.by_module(depth)
    used = timeline.by_category()
    kinds = [category for category in CATEGORIES if used.get(category, 0) >= VISIBLE_BYTES]
    table = plain_table(["module", "MiB", "share", *(kind.replace("_", " ") for kind in kinds)])
    peak = timeline.peak.allocated_bytes
    for row in rows[:top]:
        kinds_bytes = [row.by_category.get(kind, 0) for kind in kinds]
        table.add_row(row.module or NO_MODULE, *_sized(row.total_bytes, peak), *map(_mib, kinds_bytes))
    rest = rows[top:]
    if rest:
        kinds_bytes = [sum(row.by_category.get(kind, 0) for row in rest) for kind in kinds]
        total = sum(row.total_bytes for row in rest)
        table.add_row(f"({len(rest)} more)", *_sized(total, peak), *map(_mib, kinds_bytes))
    return table


def sums_table(title: str, sums: dict[str, int], peak_bytes: int, top: int) -> Table:
    """One row per name; what is not among the first `top` is summed up."""
    table = plain_table([title, "MiB", "share"])
    rows = list(sums.items())
    for name, size in rows[:top]:
        table.add_row(name.replace("_", " ") if title == "kind" else name, *_sized(size, peak_bytes))
    if rows[top:]:
        table.add_row(f"({len(rows) - top} more)", *_sized(sum(size for _, size in rows[top:]), peak_bytes))
    return table


def tensor_table(timeline: Timeline, top: int) -> Table:
    """The largest blocks one by one."""
    table = plain_table(["largest tensors", "MiB", "share"])
    for block in timeline.alive[:top]:
        shape = " x ".join(map(str, block.shape))
        made = f"{block.module or NO_MODULE}  {block.operator}  {block.dtype} {shape}".rstrip()
        table.add_row(made, *_sized(block.size_bytes, timeline.peak.allocated_bytes))
    return table


def tables(timeline: Timeline, depth: int | None, top: int) -> Iterable[Table]:
    """All of them."""
    peak = timeline.peak.allocated_bytes
    yield sums_table("kind", timeline.by_category(), peak, top)
    yield module_table(timeline, depth, top)
    yield sums_table("operator", timeline.by_operator(), peak, top)
    yield tensor_table(timeline, top)


def _sized(size_bytes: int, peak_bytes: int) -> Sequence[str]:
    return _mib(size_bytes), f"{100 * size_bytes / peak_bytes:.1f} %" if peak_bytes else ""


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:,.1f}" if size_bytes >= VISIBLE_BYTES else ABSENT
