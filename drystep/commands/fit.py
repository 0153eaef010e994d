"""`drystep fit SPEC`: does a training step fit, how much room is left, how long does it take, what would help?"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from drystep.bounds import require_whole
from drystep.commands.answer.assumption_lines import print_shares
from drystep.commands.answer.parts import title
from drystep.commands.answer.terminal import print_answer
from drystep.commands.ask import StepFailedError, ask, failed, say_remarks
from drystep.commands.cards import by_precision, unsupported
from drystep.commands.exit_status import DOES_NOT_FIT, OK
from drystep.commands.spec_options import SPEC_HELP, StepOptions, takes_step
from drystep.commands.step_options import GpuFiles, Gpus
from drystep.fit.asked import AskedStep
from drystep.gpus.classes import select_gpus
from drystep.gpus.names import any_named
from drystep.time.gradient_exchange import MOST_RANKS

Row = Mapping[str, Any]


@takes_step
def fit(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help=SPEC_HELP)],
    options: StepOptions,
    gpus: Gpus = [],
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Only verdict, headroom, peak and time: no largest batch or image, no advice."),
    ] = False,
    show_step: Annotated[
        bool, typer.Option("--show-step", help="Only print the step as Python code, which is what is simulated.")
    ] = False,
    ranks: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Processes of DistributedDataParallel, one per card of one machine. The step's time is predicted with "
            "their exchange of gradients; --ddp is implied.",
        ),
    ] = None,
    throughput: Annotated[
        bool,
        typer.Option(
            "--throughput", help="Predict images per second, from --batch-size to the largest batch that fits."
        ),
    ] = False,
    assumptions: Annotated[
        bool,
        typer.Option(
            "--assumptions", help="List what the step reads of values and how it was answered, and what hangs on it."
        ),
    ] = False,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Only run the step on the CPU, with batch_size=1, and print how many rows it selects there."
        ),
    ] = False,
    gpu_files: GpuFiles = [],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, one per GPU class.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the answer as markdown.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the answer as a page.")] = None,
) -> int:
    """Judge a training step for GPU classes: memory is simulated, time predicted. No GPU is needed.

    The step runs in a process of its own. Exit status: 0 the step fits every card that --gpu names, 3 it does not fit
    one of them, or fits it with only some convolution algorithms, 1 the step failed, 2 the command was wrong.
    """
    step, cards = options.of(spec), select_gpus(gpus, gpu_files)
    if ranks is not None:
        require_whole("ranks", ranks, 1, MOST_RANKS)
        if options.ddp is False:
            raise ValueError("--ranks counts processes of DistributedDataParallel: leave --no-ddp out")
        step = step.with_rules(ddp=True)
    if as_json and as_markdown:
        raise ValueError("--json and --markdown exclude each other: leave one out")
    if html is not None:
        from drystep.commands.answer.page import require_place

        require_place(html)
    if show_step:
        return _show_source(step, options.time_limit)
    if probe:
        return _print_probe(
            step,
            options,
            as_json,
            {"--ranks": ranks is not None, "--throughput": throughput, "--assumptions": assumptions, "--quick": quick},
        )
    able, unable = by_precision(cards, step.all_precision, gpus)
    try:
        answer = ask(
            "fit", step, able, options.time_limit,
            ranks=ranks, with_throughput=throughput, with_hinges=assumptions, quick=quick, advise=not quick,
        )  # fmt: skip
    except StepFailedError as error:
        return failed(error)
    say_remarks(answer["remarks"], answer["rows"][0]["warnings"])
    rows: list[Row] = [*answer["rows"], *(unsupported(card, answer["rows"][0]) for card in unable)]
    heading = {
        "module": spec,
        "settings": answer["settings"],
        "rules": step.rules.as_dict(),
        "precision": step.all_precision,
    }
    labels = {card.name: card.label for card in cards}
    titled = {**heading, "title": title(step, rows[0])}
    if as_json:
        for row in rows:
            print(json.dumps({**heading, **row}))
    elif as_markdown:
        from drystep.commands.answer.markdown import markdown

        print(markdown(titled, rows, labels))
    else:
        print_answer(titled["title"], rows, labels, assumptions)
    if html is not None:  # at the end, so that the figures are shown even if the disk is full
        from drystep.commands.answer.page import write_page

        write_page(html, titled, rows, labels)
    return _status(rows, gpus)


def _status(rows: Sequence[Row], gpus: Sequence[str]) -> int:
    """Whether the step fits every card that was named; "all" names none."""
    return DOES_NOT_FIT if any_named(gpus) and any(row["verdict"] in ("oom", "depends") for row in rows) else OK


def _show_source(step: AskedStep, time_limit_s: float) -> int:
    try:
        print(ask("source", step, (), time_limit_s)["source"], end="")
    except StepFailedError as error:
        return failed(error)
    return OK


def _print_probe(step: AskedStep, options: StepOptions, as_json: bool, given: dict[str, Any]) -> int:
    given |= {"--batch-size": options.batch_size is not None, "--oracle": options.oracles, "--strict": options.strict}
    names = [name for name, value in given.items() if value]
    if names:
        raise ValueError(
            f"--probe only runs the step on the CPU, with batch_size=1: leave {' and '.join(names)} out of this run"
        )
    try:
        print_shares(ask("probe", step, (), options.time_limit)["shares"], as_json)
    except StepFailedError as error:
        return failed(error)
    return OK
