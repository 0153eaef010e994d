"""What is alive at the peak of a step, as tables for the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from drystep.commands.terminal import plain_table
from drystep.units import ABSENT, GIB, MIB, VISIBLE_BYTES

NO_MODULE = "(no module)"
Explained = Mapping[str, Any]
"""What JSON has of a timeline."""


def tables(explained: Explained, top: int) -> Iterable[Table]:
    """By kind, module and operator, and the largest tensors."""
    peak = explained["peak"]["allocated_bytes"]
    yield sums_table("kind", explained["by_category"], peak, top)
    yield module_table(explained, top)
    yield sums_table("operator", explained["by_operator"], peak, top)
    yield tensor_table(explained, top)


def module_table(explained: Explained, top: int) -> Table:
    """One row per module, one column per kind of memory; what is not among the first `top` is summed up."""
    from drystep.trace.trace import CATEGORIES  # PyTorch comes with it

    rows, used = explained["by_module"], explained["by_category"]
    kinds = [category for category in CATEGORIES if used.get(category, 0) >= VISIBLE_BYTES]
    table = plain_table(["module", "MiB", "share", *(kind.replace("_", " ") for kind in kinds)])
    peak = explained["peak"]["allocated_bytes"]
    for row in rows[:top]:
        kinds_bytes = [row["by_category"].get(kind, 0) for kind in kinds]
        table.add_row(row["module"] or NO_MODULE, *_sized(row["total_bytes"], peak), *map(_mib, kinds_bytes))
    rest = rows[top:]
    if rest:
        kinds_bytes = [sum(row["by_category"].get(kind, 0) for row in rest) for kind in kinds]
        total = sum(row["total_bytes"] for row in rest)
        table.add_row(f"({len(rest)} more)", *_sized(total, peak), *map(_mib, kinds_bytes))
    return table


def sums_table(title: str, sums: Mapping[str, int], peak_bytes: int, top: int) -> Table:
    """One row per name; what is not among the first `top` is summed up."""
    table = plain_table([title, "MiB", "share"])
    rows = list(sums.items())
    for name, size in rows[:top]:
        table.add_row(name.replace("_", " ") if title == "kind" else name, *_sized(size, peak_bytes))
    if rows[top:]:
        table.add_row(f"({len(rows) - top} more)", *_sized(sum(size for _, size in rows[top:]), peak_bytes))
    return table


def tensor_table(explained: Explained, top: int) -> Table:
    """The largest blocks one by one."""
    table = plain_table(["largest tensors", "MiB", "share"])
    for block in explained["alive"][:top]:
        table.add_row(tensor_name(block), *_sized(block["size_bytes"], explained["peak"]["allocated_bytes"]))
    return table


def tensor_name(block: Explained) -> str:
    """Module, operator, type and shape of a block."""
    shape = " x ".join(map(str, block["shape"]))
    return f"{block['module'] or NO_MODULE}  {block['operator']}  {block['dtype']} {shape}".rstrip()


def peak_lines(explained: Explained) -> Iterable[str]:
    """Where the peak is and how high; and what was asked for, if that failed."""
    peak, failed_bytes = explained["peak"], explained["failed_request_bytes"]
    what = "peak" if failed_bytes is None else "out of memory"
    place = f" of {peak['module']}" if peak["module"] else ""
    yield (
        f"{what} in {peak['phase']}, at {peak['name']}{place}: {size_words(peak['allocated_bytes'])} allocated; "
        f"{size_words(explained['peak_reserved_bytes'])} reserved at most"
    )
    if failed_bytes is not None:
        yield f"{failed_bytes / MIB:,.1f} MiB more were asked for"


def size_words(size_bytes: int) -> str:
    """A size such as "3.21 GiB" or "23.4 MiB"."""
    return f"{size_bytes / GIB:.2f} GiB" if size_bytes >= GIB else f"{size_bytes / MIB:.1f} MiB"


def _sized(size_bytes: int, peak_bytes: int) -> Sequence[str]:
    return _mib(size_bytes), f"{100 * size_bytes / peak_bytes:.1f} %" if peak_bytes else ""


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:,.1f}" if size_bytes >= VISIBLE_BYTES else ABSENT
