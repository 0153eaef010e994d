"""The command `explain`: where the memory of one case goes, and what is alive at its peak."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import display
from bench.case import Case
from bench.engines.simulate import META, trace_case
from bench.gpus import Gpu, select_gpus
from bench.options import (
    Bf16Trunk,
    Checkpointing,
    FusedAttention,
    GpuFiles,
    GtBoxes,
    Precision,
    Profile,
    Rois,
    Seed,
    Stretch,
    parse_size,
)
from bench.peak_tables import tables
from bench.simulation.simulation import Simulation, judge
from bench.simulation.snapshot import write_snapshot
from bench.training_step import prepare
from reports.timeline_plot import timeline_plot

DEFAULT_TOP = 14
VISUALIZER = "https://pytorch.org/memory_viz"


def explain(
    task: Annotated[str, typer.Option("--task", help="voc, ade20k or coco.")],
    method: Annotated[str, typer.Option("--method", help="The method to look into.")] = "e3va",
    backbone: Annotated[str | None, typer.Option(help="Default: the paper's for the task.")] = None,
    window: Annotated[int, typer.Option(help="Attention window, 7 or 12.")] = 7,
    batch_size: Annotated[int, typer.Option(help="Images per GPU.")] = 2,
    image_size: Annotated[str | None, typer.Option(help="HxW; default: the task's.")] = None,
    batches: Annotated[int, typer.Option(help="More than 1: a run of that many batches; its worst is shown.")] = 1,
    stretch: Stretch = "worst",
    precision: Precision = "fp32",
    profile: Profile = "torch-2.11",
    gt_boxes: GtBoxes = None,
    rois_per_image: Rois = None,
    fused_attention: FusedAttention = False,
    checkpointing: Checkpointing = False,
    bf16_trunk: Bf16Trunk = False,
    seed: Seed = 0,
    under: Annotated[
        str | None, typer.Option(help="GPU class whose memory bounds the step; default: no bound.")
    ] = None,
    gpu_files: GpuFiles = [],
    depth: Annotated[
        int | None, typer.Option(help="Components of module paths to keep; default: more where more memory is.")
    ] = None,
    top: Annotated[int, typer.Option(help="Rows of each table.")] = DEFAULT_TOP,
    out: Annotated[Path | None, typer.Option(help="Folder for timeline.json, timeline.png, snapshot.pickle.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The JSON on stdout and nothing else there.")] = False,
) -> int:
    """Show where the memory of a step goes, and what is alive at its peak. All simulated."""
    for name, value in (("--depth", depth), ("--top", top)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    choices: dict[str, Any] = {
        "task": task,
        "method": method,
        "backbone": backbone,
        "window": window,
        "batch_size": batch_size,
        "image_size": parse_size(image_size) if image_size else None,
        "batches": batches,
        "stretch": stretch,
        "precision": precision,
        "profile": profile,
        "gt_boxes": gt_boxes,
        "rois_per_image": rois_per_image,
        "fused_attention": fused_attention,
        "checkpointing": checkpointing,
        "bf16_trunk": bf16_trunk,
        "seed": seed,
        "engine": "simulate",
    }
    case = Case(**choices)  # fields that are None take the task's own value
    cards = {gpu.name: gpu for gpu in select_gpus((), gpu_files)}
    bound = select_gpus([under], gpu_files)[0] if under else None
    if out is not None:
        _make_folder(out)
    with display.stderr.status(case.title):
        simulation = _simulate(case, bound)
        data = _as_dict(case, simulation, depth)
        if out is not None:
            _write(out, data, simulation, f"{_title(case)}, simulated", cards if bound is None else {bound.name: bound})
    if as_json:
        print(json.dumps(data))
    else:
        _show(case, simulation, bound, depth, top, out)
    return 0


def _simulate(case: Case, bound: Gpu | None) -> Simulation:
    trace = trace_case(case, prepare(case, META).build_step, META)
    return judge(trace, (), None if bound is None else bound.usable_bytes)


def _as_dict(case: Case, simulation: Simulation, depth: int | None) -> dict[str, Any]:
    verdict = {"capacity_bytes": simulation.capacity_bytes, "verdict": simulation.verdict}
    return {"case": case.as_dict(), **verdict, **simulation.timeline.as_dict(depth)}


def _title(case: Case) -> str:
    """What is trained; the engine is always the same."""
    return case.title.replace(f" {case.engine}", "")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"--out {folder} is a file: name a folder") from error


def _write(folder: Path, data: Mapping[str, Any], simulation: Simulation, title: str, cards: Mapping[str, Gpu]) -> None:
    (folder / "timeline.json").write_text(json.dumps(data) + "\n")
    capacities = {gpu.label: gpu.usable_bytes for gpu in cards.values()}
    timeline_plot(data, folder / "timeline.png", title, capacities)
    write_snapshot(simulation.trace, folder / "snapshot.pickle", simulation.capacity_bytes)


def _show(case: Case, simulation: Simulation, bound: Gpu | None, depth: int | None, top: int, out: Path | None) -> None:
    timeline = simulation.timeline
    peak, operator = timeline.peak, timeline.peak_operator
    place = f" of {operator.module}" if operator.module else ""
    what = "peak" if timeline.failed_request_bytes is None else "out of memory"
    print = display.stdout.print
    print(f"{_title(case)}{'' if bound is None else f' under {bound.label}'}; simulated", markup=False)
    print(
        f"{what} in {operator.phase}, at {operator.name}{place}: {peak.allocated_bytes / display.GIB:.2f} GiB "
        f"allocated; {timeline.peak_reserved_bytes / display.GIB:.2f} GiB reserved at most",
        markup=False,
    )
    if timeline.failed_request_bytes is not None:
        print(f"{timeline.failed_request_bytes / display.MIB:,.1f} MiB more were asked for")
    for table in tables(timeline, depth, top):
        print()
        print(table)
    if out is not None:
        print(f"\nThe timeline is in {out}; snapshot.pickle opens at {VISUALIZER}", markup=False)
