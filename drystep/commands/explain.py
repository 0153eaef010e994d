"""`drystep explain SPEC`: where the memory of a step goes, and what is alive at its peak."""

import json
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

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
from drystep.commands.answer.parts import title
from drystep.commands.ask import StepFailedError, ask, failed, say_remarks
from drystep.commands.cards import by_precision
from drystep.commands.exit_status import OK
from drystep.commands.spec_options import SPEC_HELP, StepOptions, takes_step
from drystep.commands.step_options import GpuFiles
from drystep.commands.terminal import stdout
from drystep.errors import OutputError
from drystep.gpus.classes import select_gpus

PICTURE = "timeline.html"


@takes_step
def explain(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help=SPEC_HELP)],
    options: StepOptions,
    under: Under = None,
    depth: Depth = None,
    top: Top = DEFAULT_TOP,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help=f"Folder for timeline.json, {PICTURE} and snapshot.pickle, which {VISUALIZER} opens.",
        ),
    ] = None,
    gpu_files: GpuFiles = [],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")
    ] = False,
) -> int:
    """Show where the memory of a step goes, and what is alive at its peak. Everything is simulated.

    Exit status: 0 also where the step runs out of the memory that --under names, 1 the step failed, or the files could
    not be written, 2 the command was wrong.
    """
    require_counts(depth, top)
    step = options.of(spec)
    bound = select_gpus([under], gpu_files) if under else []
    if len(bound) > 1:
        raise ValueError(f"--under {under} means {len(bound)} GPU classes: name one")
    by_precision(bound, step.all_precision, [card.name for card in bound])
    cards = bound or select_gpus((), gpu_files)
    with ExitStack() as until_end:
        handed = None
        if out is not None:
            require_out(out)
            handed = Path(until_end.enter_context(tempfile.TemporaryDirectory(dir=out, prefix=".")))
        try:
            answer = ask(
                "explain", step, bound, options.time_limit,
                depth=depth, folder=None if handed is None else str(handed.resolve()),
            )  # fmt: skip
        except StepFailedError as error:
            return failed(error)
        say_remarks(answer["remarks"], answer["warnings"])
        what = title(step, answer["sizes"])
        data = {
            "module": spec, "settings": step.to_fields()["settings"], "rules": step.rules.as_dict(),
            "precision": step.all_precision, **answer["sizes"], "under": bound[0].name if bound else None,
            **answer["explanation"],
        }  # fmt: skip
        # Print first, so that the figures are shown even if the disk is full.
        if as_json:
            print(json.dumps(data))
        else:
            print_explained(f"{what} under {bound[0].label}" if bound else what, data, top)
        if out is None or handed is None:
            return OK
        if answer["not_written"]:
            raise OutputError(f"cannot write to --out {out}: {answer['not_written']}")

        def write(folder: Path) -> None:
            from drystep.commands.answer.timeline_page import write_timeline_page

            capacities = {card.label: step.rules.usable_bytes(card) for card in cards}
            write_timeline_page(folder / PICTURE, what, data, capacities, top)
            for file in handed.iterdir():
                shutil.move(file, folder / file.name)

        write_explained(out, data, write)
        if not as_json:
            stdout.print()
            stdout.print(f"Written to {out}: {PICTURE} is a picture; snapshot.pickle opens at {VISUALIZER}")
    return OK
