"""`drystep solve WHAT SPEC`: the largest batch or image that fits each card, or the card to take."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from drystep.commands.answer.parts import title
from drystep.commands.answer.solved import (
    BY,
    Row,
    cards_in_order,
    print_batches,
    print_cards,
    print_images,
)
from drystep.commands.ask import StepFailedError, ask, failed, say_remarks
from drystep.commands.cards import by_precision
from drystep.commands.exit_status import DOES_NOT_FIT, OK
from drystep.commands.spec_options import SPEC_HELP, StepOptions, takes_step
from drystep.commands.step_options import GpuFiles, Gpus
from drystep.commands.terminal import print_paragraph, say
from drystep.errors import choose
from drystep.gpus.classes import select_gpus
from drystep.gpus.names import any_named

QUESTIONS: Mapping[str, Mapping[str, bool]] = {
    "batch-size": {"with_throughput": True, "with_largest_image": False},
    "image-size": {},
    "card": {"quick": True},
}
"""What can be asked, and what the session is told to look for."""


@takes_step
def solve(
    what: Annotated[str, typer.Argument(metavar="WHAT", help=f"What is wanted: {', '.join(QUESTIONS)}.")],
    spec: Annotated[str, typer.Argument(metavar="SPEC", help=SPEC_HELP)],
    options: StepOptions,
    gpus: Gpus = [],
    by: Annotated[
        str | None,
        typer.Option(
            metavar="ORDER",
            help="Of a card: memory, the smallest that fits (the default), or time, the fastest among those that fit.",
        ),
    ] = None,
    gpu_files: GpuFiles = [],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, the chosen card first.")] = False,
) -> int:
    """Find the largest batch or image that fits each card, or the smallest or fastest card on which a step fits.

    Memory is simulated, time predicted. Exit status: 0 there is an answer for every card that --gpu names, or a card
    was found; 3 there is none; 1 the step failed; 2 the command was wrong.
    """
    choose("question", what, QUESTIONS)
    if by is not None and what != "card":
        raise ValueError(f"--by orders cards: leave it out of solve {what}")
    order = choose("order", by or BY[0], BY)
    if what != "card":
        _require_no_size(what, options)
    step, cards = options.of(spec), select_gpus(gpus, gpu_files)
    able, unable = by_precision(cards, step.all_precision, gpus)
    try:
        answer = ask("fit", step, able, options.time_limit, **QUESTIONS[what])
    except StepFailedError as error:
        return failed(error)
    rows: list[Row] = answer["rows"]
    _require_answer(what, rows[0], spec)
    say_remarks(answer["remarks"], rows[0]["warnings"])
    for card in unable:
        say(f"note: {card.label} is left out: it has no bfloat16 units")
    labels = {card.name: card.label for card in cards}
    head = {"solve": what, "module": spec, "settings": answer["settings"], "rules": step.rules.as_dict()}
    head["precision"] = step.all_precision
    if what == "card":
        rows = cards_in_order(rows, order)
        _require_times(rows, answer["rows"], order)
    if as_json:
        for row in rows:
            print(json.dumps({**head, **({"by": order} if what == "card" else {}), **row}))
    else:
        print_paragraph(f"{title(step, _without(what, answer['rows'][0]))}; simulated")
        if what == "card":
            print_cards(rows, labels, order, len(answer["rows"]))
        else:
            (print_batches if what == "batch-size" else print_images)(rows, labels)
    return _status(what, rows, gpus)


def _require_no_size(what: str, options: StepOptions) -> None:
    """Raise `ValueError` where the size that is wanted is also given."""
    name = what.replace("-", "_")
    if getattr(options, name) is not None:
        raise ValueError(f"solve {what} looks for it: leave --{what} out")


def _require_answer(what: str, row: Row, spec: str) -> None:
    """Raise `ValueError` where the step has no such size."""
    if what == "batch-size" and row["largest_batch"] is None:
        raise ValueError(f"{spec} takes no batch_size: there is no largest batch")
    if what == "image-size" and row["largest_image"] is None:
        raise ValueError(f"there is no largest image of {spec}: {row['largest_image_unknown']}")


def _require_times(chosen: Sequence[Row], rows: Sequence[Row], order: str) -> None:
    """Raise `ValueError` where cards fit and the time of none is known."""
    if not chosen and order == "time":
        for row in cards_in_order(rows, "memory"):
            raise ValueError(f"--by time: no time could be predicted of a card that fits: {row['time_unknown']}")


def _without(what: str, row: Row) -> dict[str, Any]:
    """What a title says of sizes: not the one that is wanted."""
    return {**row, **({} if what == "card" else {what.replace("-", "_"): None})}


def _status(what: str, rows: Sequence[Row], gpus: Sequence[str]) -> int:
    if what == "card":
        return OK if rows else DOES_NOT_FIT
    none = [row for row in rows if not (row["largest_batch"] if what == "batch-size" else row["largest_image"][0])]
    return DOES_NOT_FIT if any_named(gpus) and none else OK
