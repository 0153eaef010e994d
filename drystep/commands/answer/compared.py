"""Steps side by side, for the terminal of 80 columns, Markdown and JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drystep.commands.answer.markdown import escaped, table
from drystep.commands.answer.parts import VERDICTS, coverage_line, percent, speed_text, time_text
from drystep.commands.terminal import plain_table, print_paragraph, print_table
from drystep.units import ABSENT, GIB, MIB, VISIBLE_BYTES

Row = Mapping[str, Any]
"""What JSON has of one card."""
Cells = list[str]
MOST_STEPS = 4
"""Steps that have room beside each other in 80 columns."""


@dataclass(frozen=True)
class Compared:
    """A step of a comparison."""

    spec: str
    title: str
    settings: Mapping[str, Any]
    rules: Mapping[str, Any]
    precision: str
    rows: Sequence[Row]
    """One per card, in the same order for all steps."""


def card_fields(steps: Sequence[Compared], number: int) -> dict[str, Any]:
    """The JSON line of a card: all steps, and how the later ones differ from the first, as parts of 1."""
    first = steps[0].rows[number]
    return {
        "gpu": first["gpu"],
        "steps": [
            {
                "module": step.spec, "settings": step.settings, "rules": step.rules, "precision": step.precision,
                **step.rows[number],
            }
            for step in steps
        ],
        "changes": [changes(first, step.rows[number]) for step in steps[1:]],
    }  # fmt: skip


def changes(first: Row, other: Row) -> dict[str, float | None]:
    """Changes from one row to another: of the peaks, of a step's time and of the speed."""
    peaks = {
        name: change(_peak(first, name), _peak(other, name)) for name in ("peak_allocated_bytes", "peak_reserved_bytes")
    }
    return {
        **peaks,
        "step_ms": change(first["step_ms"], other["step_ms"]),
        "images_per_second": change(_speed(first), _speed(other)),
    }


def change(before: float | None, after: float | None) -> float | None:
    """A change as a part of what was there before; None where there is nothing to compare."""
    return None if not before or after is None else after / before - 1


def print_compared(steps: Sequence[Compared], labels: Mapping[str, str]) -> None:
    """Print what the steps are, their peaks, and what each card says of them."""
    for number, step in enumerate(steps, start=1):
        print_paragraph(f"{number}: {step.title}")
    columns, peaks = peak_cells(steps)
    if peaks:
        print_paragraph(_peak_title(steps, labels))
        shown = plain_table(columns)
        for cells in peaks:
            shown.add_row(*cells)
        print_table(shown)
    columns, cards = card_cells(steps, labels)
    shown = plain_table(columns, left=3)
    for cells in cards:
        shown.add_row(*cells)
    print_table(shown)
    for line in _remarks(steps):
        print_paragraph(line)


def compared_markdown(steps: Sequence[Compared], labels: Mapping[str, str]) -> str:
    """The same as Markdown."""
    return "\n".join(_markdown_lines(steps, labels))


def peak_cells(steps: Sequence[Compared]) -> tuple[Cells, list[Cells]]:
    """Columns and lines of MiB at the peak: allocated, by kind, and reserved; none where no card has all precisions."""
    from drystep.trace.trace import CATEGORIES  # PyTorch comes with it

    number = _first_common(steps)
    columns = ["MiB", *(str(number) for number in range(1, len(steps) + 1))]
    if number is None:
        return columns, []
    peaks = [step.rows[number]["uncapped"] for step in steps]
    kinds = [kind for kind in CATEGORIES if any(peak["at_peak"].get(kind, 0) >= VISIBLE_BYTES for peak in peaks)]
    lines = [_sizes("allocated", [peak["peak_allocated_bytes"] for peak in peaks])]
    lines += [_sizes(f"{kind.replace('_', ' ')}", [peak["at_peak"].get(kind, 0) for peak in peaks]) for kind in kinds]
    lines.append(_sizes("reserved", [peak["peak_reserved_bytes"] for peak in peaks]))
    return columns, lines


def card_cells(steps: Sequence[Compared], labels: Mapping[str, str]) -> tuple[Cells, list[Cells]]:
    """Columns and lines of cards: a line for each step. Times are compared where all batches are of one size."""
    of_one_size = len({(step.rows[0]["batch_size"], step.rows[0]["batches"]) for step in steps}) == 1
    columns = ["GPU", "step", "verdict", "left GiB", "ms", "images/s", "change of " + ("ms" if of_one_size else "im/s")]
    lines = []
    for rows in zip(*(step.rows for step in steps), strict=True):
        for number, row in enumerate(rows):
            left = row["headroom_bytes"]
            differs = changes(rows[0], row)["step_ms" if of_one_size else "images_per_second"]
            lines.append([
                "" if number else labels[row["gpu"]], str(number + 1), VERDICTS[row["verdict"]],
                ABSENT if left is None else f"{left / GIB:.2f}", time_text(row["step_ms"]), speed_text(row),
                percent(differs) if number else "",
            ])  # fmt: skip
    return columns, lines


def _markdown_lines(steps: Sequence[Compared], labels: Mapping[str, str]) -> Iterator[str]:
    for number, step in enumerate(steps, start=1):
        yield f"{number}. {escaped(step.title)}"
    columns, lines = peak_cells(steps)
    if lines:
        yield from ("", escaped(_peak_title(steps, labels)), "")
        yield from table(columns, lines)
    yield ""
    columns, lines = card_cells(steps, labels)
    yield from table(columns, lines, left=3)
    for line in _remarks(steps):
        yield from ("", line)


def _peak_title(steps: Sequence[Compared], labels: Mapping[str, str]) -> str:
    row = steps[0].rows[_first_common(steps) or 0]
    return f"At the peak, on {labels[row['gpu']]}, simulated:"


def _remarks(steps: Sequence[Compared]) -> Iterator[str]:
    yield "Verdicts and memory left are simulated; ms and images/s are predicted. Changes are from step 1."
    line = coverage_line([row for step in steps for row in step.rows])
    if line:
        yield line


def _first_common(steps: Sequence[Compared]) -> int | None:
    """Number of the first card that can compute all steps."""
    rows = zip(*(step.rows for step in steps), strict=True)
    able = (number for number, of_card in enumerate(rows) if all(map(_is_judged, of_card)))
    return next(able, None)


def _sizes(name: str, sizes_bytes: Sequence[int]) -> Cells:
    first, *others = sizes_bytes
    return [name, _mib(first), *(f"{_mib(size)} ({percent(change(first, size))})" for size in others)]


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:,.0f}" if size_bytes >= 10 * MIB else f"{size_bytes / MIB:.1f}"


def _is_judged(row: Row) -> bool:
    """Whether the card has the precision of the step; otherwise its peaks are those of another card."""
    return row["verdict"] != "not_supported"


def _peak(row: Row, name: str) -> int | None:
    return row["uncapped"][name] if _is_judged(row) else None


def _speed(row: Row) -> float | None:
    """Images per millisecond."""
    if row["step_ms"] is None or row["batch_size"] is None:
        return None
    return row["batch_size"] * row["batches"] / row["step_ms"]
