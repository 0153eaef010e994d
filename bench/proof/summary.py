"""The summary of a card: `summary.csv` for programs, and `summary.md` for people. Does not import torch."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.proof.folder import Folder
from bench.proof.requests import Difference, differences
from bench.proof.rows import DECIDED, QUANTITIES, Row, of_rows, rows_of
from bench.results.provenance import describe_environment
from drystep.gpus.classes import Gpu
from drystep.measure.cards import Card
from drystep.units import ABSENT, MIB
from reports.escaping import markdown_cell, markdown_line

CSV, MARKDOWN = "summary.csv", "summary.md"
WORST, SIZES = 5, 5
"""So many of the worst cases, and of the sizes of requests, are named."""
FACTS = ("driver", "torch", "cuda", "python", "drystep", "code_hash", "git_commit")
"""What is told of the environment of the results."""
NAMES = {"allocated": "allocated peak", "reserved": "reserved peak", "step": "step time"}


@dataclass(frozen=True)
class Ending:
    """Why a run ended, and what it left."""

    stopped_by: str
    """What stopped it, such as "SIGTERM"; "" if nothing did."""
    unreached: Sequence[str]
    """Titles of items that are still to be done."""
    left_out: Sequence[str]
    """Titles of items that the card cannot do."""


def write_summary(folder: Folder, card: Card, gpus: Sequence[Gpu], ending: Ending) -> None:
    """Write both files anew. Raises `OutputError`."""
    rows = rows_of(folder)
    folder.write(CSV, csv_text(rows, gpus))
    folder.write(MARKDOWN, "\n".join([*_head(folder, card, rows), *_body(folder, rows, gpus), *_end(folder, ending)]))


def csv_text(rows: Sequence[Row], gpus: Sequence[Gpu]) -> str:
    """The rows with a heading; nothing where a row has no figure."""
    lines = [row.fields(gpus) for row in rows]
    if not lines:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _head(folder: Folder, card: Card, rows: Sequence[Row]) -> list[str]:
    """What was measured with what, and how far the simulation is off."""
    environment = rows[-1].measured.environment if rows else describe_environment("cuda", card.name)
    facts = [f"{name.replace('_', ' ')} {environment[name]}" for name in FACTS if environment.get(name) is not None]
    dates = sorted(row.measured.created_at for row in rows)
    counts = [f"{sum(row.measured.status == status for row in rows)} {status}" for status in ("ok", "oom", "error")]
    compared = sum(row.simulated is not None for row in rows)
    lines = [
        f"# Measured on {markdown_cell(card.name)}",
        "",
        f"- {card.total_bytes // MIB} MiB, compute capability {card.compute_capability or 'not known'}",
        *(f"- {markdown_line(fact)}" for fact in facts),
        *([f"- from {dates[0]} to {dates[-1]}"] if dates else []),
        f"- {len(rows)} cases tried ({', '.join(counts)}), {compared} of them simulated",
        "",
        "Peaks and times of the card are **measured**; beside them are **simulated** peaks, without the workspaces "
        "that convolutions may take, and **predicted** times, from the card's calibration. An error is the growth from "
        "the measured figure to the other.",
        "",
        "| error in % | cases | median | median of absolute | largest |",
        "|---|---:|---:|---:|---|",
    ]
    return [*lines, *(_error_line(quantity, rows) for quantity in QUANTITIES), ""]


def _error_line(quantity: str, rows: Sequence[Row]) -> str:
    errors = of_rows(rows, lambda row: row.error_percent(quantity))
    if not errors:
        return f"| {NAMES[quantity]} | 0 | {ABSENT} | {ABSENT} | {ABSENT} |"
    values = [error for error, _ in errors]
    worst, row = errors[-1]
    name = markdown_cell(row.measured.case.title)
    middle = f"{median(values):+.2f} | {median(map(abs, values)):.2f}"
    return f"| {NAMES[quantity]} | {len(values)} | {middle} | {worst:+.2f}, {name} |"


def _body(folder: Folder, rows: Sequence[Row], gpus: Sequence[Gpu]) -> list[str]:
    return [
        *_worst_cases(rows),
        *_cases(rows),
        *_verdicts(rows, gpus),
        *_recordings(folder),
        *_requests(differences(folder)),
        *_other_items(folder),
    ]


def _worst_cases(rows: Sequence[Row]) -> list[str]:
    lines = []
    for quantity in QUANTITIES:
        worst = reversed(of_rows(rows, lambda row, of=quantity: row.error_percent(of))[-WORST:])  # type: ignore[misc]
        lines += [f"- {NAMES[quantity]}: {error:+.2f} %, {_title(row)}" for error, row in worst]
    return _section("Worst cases", lines)


def _cases(rows: Sequence[Row]) -> list[str]:
    """A table: memory in MiB, times in milliseconds."""
    if not rows:
        return []
    heads = ["case", "allocated", "simulated", "error %", "reserved", "simulated", "error %", "NVML", "step ms"]
    heads += ["predicted ms", "error %", "status"]
    lines = [f"| {' | '.join(heads)} |", f"|---{'|---:' * (len(heads) - 2)}|---|"]
    for row in rows:
        cells = [_title(row)]
        for quantity in ("allocated", "reserved"):
            cells += [*map(_mib, row.bytes_of(quantity)), _percent(row.error_percent(quantity))]
        cells += [_mib(((row.measured.memory or {}).get("nvml") or {}).get("process_bytes"))]
        cells += [*map(_ms, row.step_ms), _percent(row.error_percent("step"))]
        cells += [markdown_cell(": ".join(filter(None, [row.measured.status, row.measured.message])))]
        lines.append(f"| {' | '.join(cells)} |")
    return _section("Cases", lines)


def _verdicts(rows: Sequence[Row], gpus: Sequence[Gpu]) -> list[str]:
    """How often the simulation says what the limit of a class said, and where it does not."""
    lines = []
    for gpu in gpus:
        pairs = [(row, *row.verdicts(gpu.name)) for row in rows]
        both = [pair for pair in pairs if None not in pair[1:]]
        known = [pair for pair in both if pair[2] in DECIDED]
        wrong = [pair for pair in known if pair[1] != pair[2]]
        open_ones = f"; the simulation leaves {len(both) - len(known)} open" if len(both) > len(known) else ""
        lines.append(f"- {gpu.name}: {len(known) - len(wrong)} of {len(known)} verdicts agree{open_ones}")
        lines += [
            f"  - {_title(row)}: measured {measured}, simulated {simulated}" for row, measured, simulated in wrong
        ]
    return _section("Under the limits of smaller cards", lines if rows else [])


def _recordings(folder: Folder) -> list[str]:
    lines = []
    for item, note in folder.notes.items():
        if item.startswith("snapshot ") and note.status == "ok":
            found = note.figures
            first = found["first_difference"]
            where = "all segments agree" if first is None else f"segments differ from request {first} on"
            lines.append(
                f"- {markdown_cell(item.removeprefix('snapshot '))}: reserved {_mib(found['recorded_reserved_bytes'])} "
                f"MiB recorded, {_mib(found['replayed_reserved_bytes'])} replayed; allocated "
                f"{_mib(found['measured_allocated_bytes'])} measured, {_mib(found['replayed_allocated_bytes'])} "
                f"replayed; {where} ({found['request_count']} requests)"
            )
    return _section("The card's requests, replayed through the simulated allocator", lines)


def _requests(found: dict[str, Difference]) -> list[str]:
    lines = []
    for title, difference in found.items():
        lines.append(f"- {markdown_cell(title)}: {difference.common} requests in common")
        for side, sizes in (("card", difference.only_measured), ("simulation", difference.only_simulated)):
            named = ", ".join(f"{count} of {size} bytes" for size, count in sizes[:SIZES])
            more = f", and {len(sizes) - SIZES} more sizes" if len(sizes) > SIZES else ""
            lines += [f"  - only the {side}: {named}{more}"] if sizes else []
    return _section("Requests of one step that only one side has", lines)


def _other_items(folder: Folder) -> list[str]:
    lines = []
    for item, note in folder.notes.items():
        if item in ("tests", "calibration") or note.status == "error":
            lines.append(f"- {markdown_cell(item)}: {markdown_cell(f'{note.status} {note.message}'.strip())}")
            for test, report in (note.figures.get("failed") or {}).items():
                lines.append(f"  - {markdown_cell(test)}: {markdown_cell(report.splitlines()[-1] if report else '')}")
    return _section("Tests, calibration, and what failed beside the cases", lines)


def _end(folder: Folder, ending: Ending) -> list[str]:
    """Why the run ended and what is left; the last lines."""
    unsimulated = [_title(row) for row in rows_of(folder) if row.simulated is None]
    lines = [f"- {len(ending.unreached)} items were not reached"]
    lines += [f"  - {markdown_cell(title)}" for title in ending.unreached]
    lines += [f"- {len(unsimulated)} measured cases are not simulated"] if unsimulated else []
    lines += [f"- the card cannot do {markdown_cell(title)}" for title in ending.left_out]
    lines += [f"- left out because a file was full: {markdown_cell(title)}" for title in folder.full]
    lines += [f"- {folder.unreadable} stored lines could not be read"] if folder.unreadable else []
    lines += [f"- the run was stopped by {markdown_cell(ending.stopped_by)}"] if ending.stopped_by else []
    if ending.unreached:
        lines.append("- the same command with the same folder goes on here")
    return _section("What is left", lines)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""] if lines else []


def _title(row: Row) -> str:
    return markdown_cell(row.measured.case.title)


def _mib(size_bytes: int | None) -> str:
    return ABSENT if size_bytes is None else f"{size_bytes / MIB:.1f}"


def _ms(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1f}"


def _percent(value: float | None) -> str:
    return ABSENT if value is None else f"{value:+.2f}"
