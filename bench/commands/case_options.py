"""Options of commands that take cases: one for each field of `Case`, with its help and choices."""

import functools
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any

import typer

from bench.cases.case import DEFAULTS, OPTIONS, Case, Option
from bench.cases.methods import METHODS, PAPER_METHODS
from bench.cases.tasks import WORKLOADS
from drystep.bounds import shown
from drystep.errors import choose

ALL = "all"
PARSED = {"image_size": lambda text: parse_size(text)}
"""Fields whose text on the command line is not their value."""
Command = Callable[..., int]


def takes_cases(
    *, repeatable: Collection[str], defaults: Mapping[str, Any] | None = None, **fixed: Any
) -> Callable[[Command], Command]:
    """Give a command an option for each field of `Case`, and call it with the cases that they name.

    The command gets `cases` first: every combination of what the options in `repeatable` name. `defaults` stand for
    options that are left out; a method is "all" (the paper's) by default, where methods are repeatable. `fixed` fields
    have no option but this value.
    """
    instead = defaults or {}

    def decorate(command: Command) -> Command:
        parameters = inspect.signature(command, eval_str=True).parameters.values()
        own = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters if each.name != "cases"]
        options = [
            _parameter(name, stated, name in repeatable, instead.get(name, DEFAULTS[name]))
            for name, stated in OPTIONS.items()
            if name not in fixed
        ]

        @functools.wraps(command)
        def with_cases(**values: Any) -> int:
            chosen = {name: values.pop(name) for name in OPTIONS if name in values}
            chosen |= {name: value for name, value in instead.items() if not chosen[name]}
            return command(list(_cases(chosen, fixed)), **values)

        signature = inspect.Signature([*options, *own], return_annotation=int)
        with_cases.__signature__ = signature  # type: ignore[attr-defined]  # typer reads it
        with_cases.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()} | {"return": int}
        return with_cases

    return decorate


def _parameter(name: str, stated: Option, repeatable: bool, default: Any) -> inspect.Parameter:
    """The option of one field, as typer reads it from a function's parameters."""
    kind: Any = str if name in PARSED or not isinstance(default, int) else type(default)
    if name in ("gt_boxes", "rois_per_image"):
        kind = int
    flag = f"--{name.replace('_', '-')}"
    help_text = _help(name, stated, repeatable and kind is not bool, default)
    if kind is bool:
        return _keyword(name, Annotated[bool, typer.Option(flag, help=help_text)], False)
    if repeatable:
        return _keyword(name, Annotated[list[kind], typer.Option(flag, help=help_text, show_default=False)], [])
    return _keyword(name, Annotated[kind | None, typer.Option(flag, help=help_text, show_default=False)], None)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _help(name: str, stated: Option, repeatable: bool, default: Any) -> str:
    parts = [stated.help]
    if stated.choices:
        parts.append(f"One of {', '.join(map(str, stated.choices))}.")
    if stated.least is not None and stated.most is not None:
        parts.append(f"From {stated.least} to {stated.most}.")
    if name == "method" and repeatable:
        parts.append('Default: "all", the paper\'s twelve.')
    elif isinstance(default, str | int) and not isinstance(default, bool):
        parts.append(f"Default: {default}.")
    if repeatable:
        parts.append("Repeatable.")
    return " ".join(parts)


def _cases(chosen: Mapping[str, Any], fixed: Mapping[str, Any]) -> Iterator[Case]:
    """Every combination of the choices. Raises `ValueError` for one that cannot be."""
    values = {name: _values(name, value) for name, value in chosen.items()}
    if not values.get("task", [None]):
        raise ValueError(f"name what to train with --task: {', '.join(WORKLOADS)}")
    if isinstance(chosen.get("method"), list):
        values["method"] = method_names(values["method"])
    return combinations({**values, **{name: [value] for name, value in fixed.items()}})


def _values(name: str, value: Any) -> list[Any]:
    """What an option names; nothing where it was left out."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [PARSED[name](text) for text in values] if name in PARSED else values


def combinations(choices: Mapping[str, Sequence[Any]]) -> Iterator[Case]:
    """Every combination of the choices; a field without a choice keeps its default."""
    ordered = {name: choices[name] for name in ORDER if choices.get(name)}
    for values in product(*ordered.values()):
        yield Case(**dict(zip(ordered, values, strict=True)))


ORDER = [name for name in OPTIONS if name != "method"] + ["method"]
"""Fields from the one that changes least among the cases of a grid to the one that changes most."""


def method_names(methods: Sequence[str]) -> list[str]:
    """The named methods, each once; "all" and none stand for the paper's. Raises `ValueError` for an unknown one."""
    for method in methods:
        choose("method", method, [*METHODS, ALL])
    return list(PAPER_METHODS) if ALL in methods or not methods else list(dict.fromkeys(methods))


def parse_size(text: str) -> tuple[int, int]:
    """Turn "800x1344" into height and width. Raises `ValueError` for anything else."""
    match = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text)  # a case says which of these are too large
    if not match:
        raise ValueError(f"image size {shown(text)} is not HxW, such as 800x1344")
    return int(match[1]), int(match[2])
