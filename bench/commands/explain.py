"""`python -m bench explain`: where the memory of one case goes, and what is alive at its peak."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cases.case import Case
from bench.commands.case_options import takes_cases
from bench.engines.allocator_notes import allocator_notes
from drystep.commands.answer.explained import (
    DEFAULT_TOP,
    VISUALIZER,
    Depth,
    Top,
    Under,
    print_explained,
    require_counts,
    require_out,
    write_explained,
)
from drystep.commands.exit_status import OK
from drystep.commands.step_options import GpuFiles
from drystep.commands.terminal import say, stderr, stdout
from drystep.gpus.classes import Gpu, select_gpu, select_gpus

if TYPE_CHECKING:
    from drystep.simulation import Simulation


@takes_cases(repeatable=(), defaults={"method": "e3va"}, engine="simulate")
def explain(
    cases: list[Case],
    under: Under = None,
    gpu_files: GpuFiles = [],
    depth: Depth = None,
    top: Top = DEFAULT_TOP,
    out: Annotated[
        Path | None, typer.Option(help="Folder for timeline.json, timeline.png and snapshot.pickle.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")
    ] = False,
) -> int:
    """Show where the memory of a step goes, and what is alive at its peak. Everything is simulated."""
    (case,) = cases
    require_counts(depth, top)
    cards = {gpu.name: gpu for gpu in select_gpus((), gpu_files)}
    bound = select_gpu(under, gpu_files) if under else None
    if out is not None:
        require_out(out)
    for line in allocator_notes(cases):
        say(line)
    with stderr.status(case.title):
        from drystep.fit.explanation import explanation

        simulation = _simulate(case, bound)
        data = {"case": case.as_dict(), **explanation(simulation, depth)}
    # Print first, so that the figures are shown even if the disk is full.
    title = _title(case)
    if as_json:
        print(json.dumps(data))
    else:
        print_explained(title if bound is None else f"{title} under {bound.label}", data, top)
    if out is not None:
        drawn = cards if bound is None else {bound.name: bound}
        capacities = {gpu.label: simulation.rules.usable_bytes(gpu) for gpu in drawn.values()}

        def write(folder: Path) -> None:
            from drystep.fit.explanation import write_snapshot_of
            from reports.plots.timeline import timeline_plot

            timeline_plot(data, folder / "timeline.png", f"{title}, simulated", capacities)
            write_snapshot_of(simulation, folder)

        write_explained(out, data, write)
        if not as_json:
            stdout.print(f"\nThe timeline is in {out}; snapshot.pickle opens at {VISUALIZER}")
    return OK


def _simulate(case: Case, bound: Gpu | None) -> "Simulation":
    from bench.cases.training_step import prepare
    from bench.engines.simulate import trace_case
    from drystep.cuda.meta_cache import META
    from drystep.simulation import judge

    trace = trace_case(case, prepare(case, META).build_step, META)
    rules = case.rules if bound is None else replace(case.rules, card=bound)
    capacity_bytes = None if bound is None else rules.usable_bytes(bound)
    return judge(trace, (), rules, capacity_bytes, whole_card=bound is not None)


def _title(case: Case) -> str:
    """What is trained; the engine is always the same."""
    return case.title.replace(f" {case.engine}", "")
