"""Options that several commands share beside those of cases."""

from pathlib import Path
from typing import Annotated

import typer

from bench.engines.settings import LAUNCHERS

Steps = Annotated[int, typer.Option("--steps", help="Timed steps per case, where the engine times.")]
TimeLimit = Annotated[
    float, typer.Option("--time-limit", metavar="SECONDS", help="Stop the process of a case after so many seconds.")
]
AllowBusy = Annotated[bool, typer.Option("--allow-busy", help="Measure also on a GPU that other processes use.")]
Launcher = Annotated[
    str, typer.Option(help=f"Who runs the cases, one of {', '.join(LAUNCHERS)}: ray spreads them over a cluster.")
]
RayAddress = Annotated[
    str, typer.Option(help="HOST:PORT of the Ray cluster to join; without it, Ray is started on this machine.")
]
Rerun = Annotated[bool, typer.Option("--rerun", help="Measure again what the results file holds already.")]
OutFile = Annotated[
    Path | None,
    typer.Option("--out", help="Append result lines to this file. Cases stored there are skipped unless --rerun."),
]
