"""`drystep validate`: the simulation beside what others measured."""

from pathlib import Path
from typing import Annotated

import typer

from drystep.validation.ground_truth import SAMPLE

XmemTable = Annotated[Path, typer.Option("--xmem", help="Table of measured runs, with the columns of the default.")]
WithMemTracker = Annotated[
    bool, typer.Option("--memtracker", help="Also time PyTorch's MemTracker on the same runs, which takes long.")
]
ChecksFile = Annotated[Path | None, typer.Option("--out", help="Write the checks to this file, for a report.")]
StepTimes = Annotated[
    Path | None,
    typer.Option("--step-time", help="Check step times instead: a table with the columns of NeuSight's labels."),
]
Reports = Annotated[
    Path | None,
    typer.Option("--reports", help="Check published memory instead: a table of figures of steps that were rebuilt."),
]
Rebuilds = Annotated[Path | None, typer.Option("--rebuilds", help="Python file with these steps; its code runs here.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON lines on stdout, and nothing else there.")]


def validate(
    xmem: XmemTable = SAMPLE,
    with_memtracker: WithMemTracker = False,
    out: ChecksFile = None,
    step_time: StepTimes = None,
    reports: Reports = None,
    rebuilds: Rebuilds = None,
    as_json: AsJson = False,
) -> int:
    """Simulate what others measured, and print predicted and measured figures with their errors.

    Exit status: 0 all rows were simulated, 1 some could not be, 2 the command was wrong.
    """
    from drystep.commands.validation_run import validate_reports, validate_runs, validate_steps

    if reports is not None:
        return validate_reports(reports, rebuilds, as_json)
    if step_time is not None:
        return validate_steps(step_time, out, as_json)
    return validate_runs(xmem, with_memtracker, out, as_json)
