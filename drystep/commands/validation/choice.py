"""Which rows `validate` checks: all that are shipped, a part of them, or a table of the user. Imports no PyTorch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drystep.errors import choose
from drystep.validation.ground_truth import FIELD_REPORTS, SAMPLE, STEPS

XMEM, REPORTS, STEP_TIMES, SUITE = "xmem", "reports", "step-times", "suite"
KINDS = (XMEM, REPORTS, STEP_TIMES)
"""Tables that drystep has: xMem's measured runs, published figures of other people's steps, measured step times."""


@dataclass(frozen=True)
class Chosen:
    """The tables to check; None for those that are not."""

    xmem: Path | None = None
    reports: Path | None = None
    rebuilds: Path | None = None
    """File with the steps of `reports`; None for those that drystep rebuilds itself."""
    step_times: Path | None = None
    suite: bool = False
    """Whether the suite's own models are checked."""


def chosen_tables(
    only: str | None,
    xmem: Path | None,
    reports: Path | None,
    rebuilds: Path | None,
    step_times: Path | None,
    kinds: Sequence[str] = KINDS,
) -> Chosen:
    """What the options ask for: a table of the user, one kind of what is shipped, or all memory that is shipped.

    `kinds` are those that a command line knows. Raises `ValueError` for options that contradict each other.
    """
    named = {"--xmem": xmem, "--reports": reports, "--step-time": step_times}
    given = [option for option, path in named.items() if path is not None]
    if (reports is None) != (rebuilds is None):
        has, lacks = ("--rebuilds", "--reports FILE.csv") if reports is None else ("--reports", "--rebuilds FILE.py")
        raise ValueError(
            f"{has} needs {lacks}: the table names the functions of the Python file that rebuild its steps"
        )
    if len(given) > 1:
        raise ValueError(f"give one table, not {' and '.join(given)}")
    if given and only is not None:
        raise ValueError(f"--only chooses among the tables that are shipped: leave it out beside {given[0]}")
    if only is not None:
        choose("kind of rows", only, kinds)
    wanted = {only} if only else {XMEM, REPORTS, SUITE} & {*kinds}
    if given:
        return Chosen(xmem, reports, rebuilds, step_times, suite=False)
    return Chosen(
        xmem=SAMPLE if XMEM in wanted else None,
        reports=FIELD_REPORTS if REPORTS in wanted else None,
        step_times=STEPS if STEP_TIMES in wanted else None,
        suite=SUITE in wanted,
    )
