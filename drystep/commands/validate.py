"""`drystep validate`: the simulation beside what others measured."""

from pathlib import Path
from typing import Annotated

import typer

from drystep.commands.validation.choice import KINDS, chosen_tables

Only = Annotated[
    str | None,
    typer.Option("--only", metavar="KIND", help=f"Check one kind of rows, of {', '.join(KINDS)}; default: all memory."),
]
Match = Annotated[str, typer.Option("--match", metavar="TEXT", help="Check the rows whose name contains this text.")]
XmemTable = Annotated[
    Path | None, typer.Option("--xmem", metavar="FILE.csv", help="Check this table in the format of xMem's runs.")
]
WithMemTracker = Annotated[
    bool, typer.Option("--memtracker", help="Also run PyTorch's MemTracker on the same rows, which takes long.")
]
ChecksFile = Annotated[Path | None, typer.Option("--out", help="Write the checks to this file, for a report.")]
StepTimes = Annotated[
    Path | None,
    typer.Option(
        "--step-time", metavar="FILE.csv", help="Check step times: a table with the columns of NeuSight's labels."
    ),
]
Reports = Annotated[
    Path | None,
    typer.Option(
        "--reports", metavar="FILE.csv", help="Check this table of published memory of steps that were rebuilt."
    ),
]
Rebuilds = Annotated[
    Path | None,
    typer.Option("--rebuilds", metavar="FILE.py", help="Python file with these steps; its code runs here."),
]
Times = Annotated[
    bool, typer.Option("--time", help="Print the errors of predicted step times by card, mode, layout and precision.")
]
Steps = Annotated[
    Path | None,
    typer.Option(
        "--steps",
        metavar="TABLE.csv",
        help="With --time: predict these measured steps; columns as for drystep calibrate --from.",
    ),
]
StepsGpu = Annotated[str | None, typer.Option("--gpu", help="With --steps: GPU class on which they were measured.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON lines on stdout, and nothing else there.")]


def validate(
    only: Only = None,
    match: Match = "",
    xmem: XmemTable = None,
    reports: Reports = None,
    rebuilds: Rebuilds = None,
    step_time: StepTimes = None,
    with_memtracker: WithMemTracker = False,
    times: Times = False,
    steps: Steps = None,
    gpu: StepsGpu = None,
    out: ChecksFile = None,
    as_json: AsJson = False,
) -> int:
    """Simulate what others measured, and print predicted and measured figures with their errors.

    Without options: 12 measured runs of xMem and 54 published figures of other people's training steps, which takes
    some minutes. Exit status: 0 all rows were simulated, 1 some could not be, 2 the command was wrong.
    """
    if times:
        if any((only, match, xmem, reports, rebuilds, step_time, with_memtracker, out)):
            raise ValueError("--time goes with --steps, --gpu and --json alone")

        from drystep.commands.validation.times import validate_times

        return validate_times(steps, gpu, as_json)
    if steps is not None or gpu is not None:
        raise ValueError("--steps and --gpu belong to --time")
    chosen = chosen_tables(only, xmem, reports, rebuilds, step_time)

    from drystep.commands.validation.runs import validate_chosen

    return validate_chosen(chosen, match, with_memtracker, out, as_json)
