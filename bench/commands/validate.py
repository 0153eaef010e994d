"""`python -m bench validate`: the rows of `drystep validate`, and peaks of the suite's own models.

Those were published, or measured on the cards of `reports/measured`.
"""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from drystep.commands.validate import (
    AsJson,
    ChecksFile,
    Match,
    Rebuilds,
    Reports,
    StepTimes,
    WithMemTracker,
    XmemTable,
)
from drystep.commands.validation.choice import KINDS, SUITE, chosen_tables

if TYPE_CHECKING:
    from drystep.validation.check import Check

SUITES_KINDS = (*KINDS, SUITE)
Only = Annotated[
    str | None,
    typer.Option(
        "--only", metavar="KIND", help=f"Check one kind of rows, of {', '.join(SUITES_KINDS)}; default: all memory."
    ),
]


def validate(
    only: Only = None,
    match: Match = "",
    xmem: XmemTable = None,
    reports: Reports = None,
    rebuilds: Rebuilds = None,
    step_time: StepTimes = None,
    with_memtracker: WithMemTracker = False,
    out: ChecksFile = None,
    as_json: AsJson = False,
) -> int:
    """Simulate what others measured and published, and print predicted and measured figures with their errors.

    Without options: the rows of `drystep validate`, and published figures of the suite's own models, which takes some
    minutes. Exit status: 0 all rows were simulated, 1 some could not be, 2 the command was wrong.
    """
    chosen = chosen_tables(only, xmem, reports, rebuilds, step_time, SUITES_KINDS)

    from bench.commands.published_checks import check_published, detection_cases
    from bench.proof.measured_checks import check_measured
    from drystep.commands.validation.runs import validate_chosen

    def own_checks() -> "Iterator[Check]":
        return chain(check_published(), check_measured())

    if not chosen.suite:
        return validate_chosen(chosen, match, with_memtracker, out, as_json)
    return validate_chosen(chosen, match, with_memtracker, out, as_json, own_checks, detection_cases())
