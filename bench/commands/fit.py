"""`python -m bench fit`: which methods a card can train, how much room is left, how far it can go."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from bench.cases.case import Case
from bench.commands.case_options import takes_cases
from bench.engines.allocator_notes import allocator_notes
from drystep.commands.exit_status import OK
from drystep.commands.step_options import GpuFiles
from drystep.commands.terminal import say, stderr, stdout
from drystep.gpus.classes import select_gpu, select_gpus
from drystep.units import GIB


@takes_cases(repeatable=("method",), defaults={"task": "coco"}, engine="simulate")
def fit(
    cases: list[Case],
    gpu: Annotated[str | None, typer.Option("--gpu", help="The GPU class to judge.")] = None,
    gpu_files: GpuFiles = [],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, one per method.")] = False,
) -> int:
    """Say for a GPU which methods fit, how much room is left, the largest batch and image. Everything is simulated."""
    if gpu is None:
        usual = ", ".join(card.name for card in select_gpus((), gpu_files))
        raise ValueError(f"name one card with --gpu: {usual}, or another that `drystep gpus` lists")
    card = select_gpu(gpu, gpu_files)

    from bench.commands.texts.results import headroom_table
    from bench.engines.headroom import search

    rows = []
    for line in allocator_notes(cases):
        say(line)
    with stderr.status("") as waiting:
        for case in cases:
            waiting.update(case.title)
            rows.append(search(case, card))
    if as_json:
        for row in rows:
            print(json.dumps(asdict(row)))
        return OK
    first = cases[0]
    height, width = first.image_size
    stdout.print(
        f"{card.label}, {first.rules.usable_bytes(card) / GIB:.2f} GiB usable; {first.task}, {first.backbone}, "
        f"{first.batch_size} x {height} x {width}, {first.precision}; simulated"
        + (f" over runs of {first.batches} batches" if first.batches > 1 else "")
    )
    stdout.print(headroom_table(rows))
    return OK
