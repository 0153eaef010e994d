"""The answer of `drystep fit` on a terminal of 80 columns."""

from collections.abc import Mapping, Sequence

from drystep.commands.answer.assumption_lines import print_assumptions
from drystep.commands.answer.parts import (
    COLUMNS,
    Row,
    advice_cells,
    advice_title,
    by_choice,
    cells,
    coverage_line,
    peak_parts,
    peak_title,
)
from drystep.commands.answer.time_tables import remarks, throughput_table, times_table
from drystep.commands.terminal import plain_table, print_paragraph, print_table, stdout

MOST_CARDS_IN_DETAIL = 6
"""Cards whose times are shown with their intervals; of more, one line says how far the times are to be trusted."""
MOST_ADVICE = 6


def print_answer(title: str, rows: Sequence[Row], labels: Mapping[str, str], with_all: bool) -> None:
    """Print the whole answer; `title` says what was judged, and `with_all` lists all reads of values."""
    print_paragraph(f"{title}; simulated")
    table = plain_table(COLUMNS, left=2)
    for row in rows:
        table.add_row(*cells(row, labels[row["gpu"]]))
    print_table(table)
    _print_times(rows, labels)
    _print_peak(rows[0])
    _print_advice(rows, labels)
    print_assumptions(rows[0], with_all)


def _print_times(rows: Sequence[Row], labels: Mapping[str, str]) -> None:
    if rows[0]["ranks"] is not None:
        print_paragraph(f"For {rows[0]['ranks']} ranks of DistributedDataParallel, one per card of one machine:")
    if len(rows) <= MOST_CARDS_IN_DETAIL and any(row["step_ms"] is not None for row in rows):
        print_table(times_table(rows, labels))
    line = coverage_line(rows)
    if line:
        print_paragraph(line)
    if rows[0]["throughput"] is not None:
        stdout.print("Predicted images per second and card:")
        print_table(throughput_table(rows, labels))
    for remark in remarks(rows, labels) if len(rows) <= MOST_CARDS_IN_DETAIL else ():
        print_paragraph(remark)


def _print_peak(row: Row) -> None:
    stdout.print(peak_title(row["uncapped"]))
    table = plain_table(["", "MiB", "share"])
    for part in peak_parts(row["uncapped"]):
        table.add_row(*part)
    print_table(table)
    chosen = by_choice(row["uncapped"])
    if chosen:
        print_paragraph(chosen)


def _print_advice(rows: Sequence[Row], labels: Mapping[str, str]) -> None:
    for row in rows:
        if row["advice"]:
            print_paragraph(f"{advice_title(labels[row['gpu']])}:")
            table = plain_table(["add to the command", "memory", "time", ""])
            for one in row["advice"][:MOST_ADVICE]:
                _, *changes, option = advice_cells(one)
                table.add_row(option, *changes)
            print_table(table)
