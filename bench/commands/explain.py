"""`python -m bench explain`: where the memory of one case goes, and what is alive at its peak."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cases.case import Case
from bench.commands.case_options import takes_cases
from bench.engines.allocator_notes import allocator_notes
from drystep.commands.exit_status import OK
from drystep.commands.step_options import GpuFiles
from drystep.commands.terminal import say, stderr, stdout
from drystep.errors import OutputError
from drystep.files.whole import require_folder, written_whole
from drystep.gpus.classes import Gpu, select_gpus
from drystep.units import GIB, MIB

if TYPE_CHECKING:
    from drystep.simulation import Simulation

DEFAULT_TOP = 14
VISUALIZER = "https://pytorch.org/memory_viz"


@takes_cases(repeatable=(), defaults={"method": "e3va"}, engine="simulate")
def explain(
    cases: list[Case],
    under: Annotated[
        str | None, typer.Option(help="GPU class whose memory bounds the step; default: no bound.")
    ] = None,
    gpu_files: GpuFiles = [],
    depth: Annotated[
        int | None, typer.Option(help="Components of module paths to keep; default: more where more memory is.")
    ] = None,
    top: Annotated[int, typer.Option(help="Rows of each table.")] = DEFAULT_TOP,
    out: Annotated[
        Path | None, typer.Option(help="Folder for timeline.json, timeline.png and snapshot.pickle.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")
    ] = False,
) -> int:
    """Show where the memory of a step goes, and what is alive at its peak. Everything is simulated."""
    (case,) = cases
    for name, value in (("--depth", depth), ("--top", top)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    cards = {gpu.name: gpu for gpu in select_gpus((), gpu_files)}
    bound = select_gpus([under], gpu_files)[0] if under else None
    if out is not None:
        _require(out)
    for line in allocator_notes(cases):
        say(line)
    with stderr.status(case.title):
        simulation = _simulate(case, bound)
        data = _as_dict(case, simulation, depth)
    # Print first, so that the figures are shown even if the disk is full.
    if as_json:
        print(json.dumps(data))
    else:
        _show(case, simulation, bound, depth, top)
    if out is not None:
        _write(out, data, simulation, f"{_title(case)}, simulated", cards if bound is None else {bound.name: bound})
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


def _as_dict(case: Case, simulation: "Simulation", depth: int | None) -> dict[str, Any]:
    verdict = {"capacity_bytes": simulation.capacity_bytes, "verdict": simulation.verdict}
    return {"case": case.as_dict(), **verdict, **simulation.timeline.as_dict(depth)}


def _title(case: Case) -> str:
    """What is trained; the engine is always the same."""
    return case.title.replace(f" {case.engine}", "")


def _require(folder: Path) -> None:
    try:
        require_folder(folder)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"--out {folder} is a file: name a folder") from error
    except OSError as error:
        raise ValueError(f"cannot write to --out {folder}: {error.strerror or error}") from error


def _write(
    folder: Path, data: Mapping[str, Any], simulation: "Simulation", title: str, cards: Mapping[str, Gpu]
) -> None:
    from drystep.memory.snapshot import write_snapshot
    from reports.plots.timeline import timeline_plot

    capacities = {gpu.label: simulation.rules.usable_bytes(gpu) for gpu in cards.values()}
    try:
        with written_whole(folder) as unfinished:
            (unfinished / "timeline.json").write_text(json.dumps(data) + "\n")
            timeline_plot(data, unfinished / "timeline.png", title, capacities)
            write_snapshot(
                simulation.trace,
                unfinished / "snapshot.pickle",
                simulation.capacity_bytes,
                simulation.allocator_settings,
                simulation.whole_card,
                simulation.rules.architecture,
            )
    except OSError as error:
        raise OutputError(f"cannot write to --out {folder}: {error.strerror or error}") from error


def _show(case: Case, simulation: "Simulation", bound: Gpu | None, depth: int | None, top: int) -> None:
    from drystep.commands.answer.peak_tables import tables

    timeline = simulation.timeline
    peak, operator = timeline.peak, timeline.peak_operator
    place = f" of {operator.module}" if operator.module else ""
    what = "peak" if timeline.failed_request_bytes is None else "out of memory"
    print = stdout.print
    print(f"{_title(case)}{'' if bound is None else f' under {bound.label}'}; simulated")
    print(
        f"{what} in {operator.phase}, at {operator.name}{place}: {peak.allocated_bytes / GIB:.2f} GiB "
        f"allocated; {timeline.peak_reserved_bytes / GIB:.2f} GiB reserved at most"
    )
    if timeline.failed_request_bytes is not None:
        print(f"{timeline.failed_request_bytes / MIB:,.1f} MiB more were asked for")
    for table in tables(timeline, depth, top):
        print()
        print(table)
