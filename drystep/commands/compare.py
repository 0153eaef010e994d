"""`drystep compare SPEC SPEC`: the memory and time of two or more steps side by side."""

import json
import shlex
from dataclasses import replace
from typing import Annotated, Any

import typer
from typer.main import get_command

from drystep.commands.answer.compared import MOST_STEPS, Compared, card_fields, compared_markdown, print_compared
from drystep.commands.answer.parts import title
from drystep.commands.ask import StepFailedError, ask, failed, say_remarks
from drystep.commands.cards import by_precision, unsupported
from drystep.commands.exit_status import DOES_NOT_FIT, OK
from drystep.commands.spec_options import SPEC_HELP, StepOptions, takes_step
from drystep.commands.step_options import GpuFiles, Gpus
from drystep.errors import shortened
from drystep.fit.asked import AskedStep
from drystep.gpus.classes import Gpu, select_gpus
from drystep.gpus.names import any_named


@takes_step
def compare(
    specs: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC...",
            help=f"Two to {MOST_STEPS} steps: {SPEC_HELP} A step in quotes may have options of its own, such as "
            '"timm:vit_base_patch16_224 --method lora"; options outside apply to all.',
        ),
    ],
    options: StepOptions,
    gpus: Gpus = [],
    gpu_files: GpuFiles = [],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, one per GPU class.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the comparison as Markdown.")] = False,
) -> int:
    """Compare steps: peak memory and what it is made of, verdicts and times; changes are from the first step.

    Memory is simulated, time predicted. Each step runs in a process of its own. Exit status: 0 all steps fit every card
    that --gpu names, 3 one does not, or fits with only some convolution algorithms, 1 a step failed, 2 the command was
    wrong.
    """
    if not 2 <= len(specs) <= MOST_STEPS:
        raise ValueError(f"compare takes 2 to {MOST_STEPS} steps, got {len(specs)}")
    if as_json and as_markdown:
        raise ValueError("--json and --markdown exclude each other: leave one out")
    cards = select_gpus(gpus, gpu_files)
    asked = [_asked(text, options) for text in specs]
    judged = [by_precision(cards, step.all_precision, gpus) for step, _ in asked]
    steps = []
    for (step, time_limit_s), (able, _) in zip(asked, judged, strict=True):
        try:
            steps.append(_compared(step, able, cards, time_limit_s))
        except StepFailedError as error:
            return failed(error)
    labels = {card.name: card.label for card in cards}
    if as_json:
        for number in range(len(cards)):
            print(json.dumps(card_fields(steps, number)))
    elif as_markdown:
        print(compared_markdown(steps, labels))
    else:
        print_compared(steps, labels)
    misses = any(row["verdict"] in ("oom", "depends") for step in steps for row in step.rows)
    return DOES_NOT_FIT if any_named(gpus) and misses else OK


def _asked(text: str, options: StepOptions) -> tuple[AskedStep, float]:
    """The step of a text, and the seconds that it may take."""
    spec, own = split_spec(text, options)
    return own.of(spec), own.time_limit


def _compared(step: AskedStep, able: list[Gpu], cards: list[Gpu], time_limit_s: float) -> Compared:
    answer = ask("fit", step, able, time_limit_s, quick=True)
    say_remarks(answer["remarks"], answer["rows"][0]["warnings"])
    found = {row["gpu"]: row for row in answer["rows"]}
    rows = [found.get(card.name) or unsupported(card, answer["rows"][0]) for card in cards]
    return Compared(step.spec, title(step, rows[0]), answer["settings"], step.rules.as_dict(), step.all_precision, rows)


def split_spec(text: str, options: StepOptions) -> tuple[str, StepOptions]:
    """A spec and its options out of a text such as "timm:vit_base_patch16_224 --method lora".

    Options of the text replace those of `options`; repeatable ones are added to them. Raises `ValueError`.
    """
    if " -" not in f" {text}":
        return text, options  # also the path of a file with spaces
    try:
        context = _parser().make_context(None, shlex.split(text))
    except typer.TyperException as error:
        raise ValueError(f"{shortened(text)!r}: {error.format_message()}") from error
    except ValueError as error:
        raise ValueError(f"{shortened(text)!r} cannot be split into words: {error}") from error
    given: dict[str, Any] = {}
    for name, value in context.params.items():
        source = context.get_parameter_source(name)
        if name != "spec" and source is not None and source.name == "COMMANDLINE":
            repeatable = isinstance(getattr(StepOptions, name), tuple)
            given[name] = [*getattr(options, name), *value] if repeatable else value
    return context.params["spec"], replace(options, **given)


def _parser() -> Any:
    """A command that has the options of a step and nothing else."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False)

    @app.command(add_help_option=False)
    @takes_step
    def step(spec: Annotated[str, typer.Argument(metavar="SPEC")], options: StepOptions) -> int:
        return OK

    return get_command(app)
