"""`drystep.check`: the answer of `drystep fit` for a function of a notebook or a program."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from drystep.commands.answer.page import page
from drystep.commands.answer.parts import title_of
from drystep.commands.answer.terminal import print_answer
from drystep.commands.terminal import stdout
from drystep.cuda.rules import DEFAULT_PRECISION, DEFAULT_PROFILE, Rules, rules_of
from drystep.fit.card_fit import CardFit
from drystep.fit.step import fit_step
from drystep.gpus.classes import Gpu, select_gpus
from drystep.memory.verdict import FITTING
from drystep.values.oracles import Oracles

BuildStep = Callable[..., Any]


@dataclass(frozen=True)
class Check:
    """A step judged for cards. It prints as `drystep fit` does, and shows as a page in a notebook."""

    title: str
    """What was judged."""
    rows: tuple[CardFit, ...]
    """One for each card."""

    @property
    def fits(self) -> bool:
        """Whether the step fits every card, with or without retries of the allocator."""
        return all(row.simulation.fits[row.gpu.name].verdict in FITTING for row in self.rows)

    def __str__(self) -> str:
        with stdout.capture() as captured:
            print_answer(self.title, self._fields(), self._labels, with_all=False)
        return captured.get()

    def _repr_html_(self) -> str:
        return page({"title": self.title}, self._fields(), self._labels)

    def _fields(self) -> list[dict[str, Any]]:
        return [json.loads(json.dumps({**row.to_fields(), "advice": [], "batches": 1})) for row in self.rows]

    @property
    def _labels(self) -> dict[str, str]:
        return {row.gpu.name: row.gpu.label for row in self.rows}


def check(
    build_step: BuildStep | None = None,
    *,
    gpu: str | Gpu | Sequence[str | Gpu] = (),
    batch_size: int | None = None,
    image_size: tuple[int, int] | None = None,
    rules: Rules | str = DEFAULT_PROFILE,
    precision: str = DEFAULT_PRECISION,
    oracles: Oracles | None = None,
    strict: bool = False,
    quick: bool = False,
) -> Any:
    """Judge a training step for cards, without a GPU: `print(check(build_step, gpu="t4-16gb"))`.

    Returns a `Check`. `build_step(device)` builds model, optimizer and data, and returns one training step; where it
    takes `batch_size` or `image_size`, the largest that fits are found, too, unless `quick`. `gpu` is a class, a group
    such as "24gb", or several. Without a function it is a decorator, `@check(gpu="t4-16gb")`, which prints the answer
    and returns the function as it is. The other arguments are those of `drystep.simulate`. Memory is simulated, time
    predicted. Raises `ValueError` for unknown names, and `SimulationError` for a step that cannot run.
    """
    if build_step is None:

        def decorate(function: BuildStep) -> BuildStep:
            print(_check(function, gpu, batch_size, image_size, rules, precision, oracles, strict, quick), end="")
            return function

        return decorate
    return _check(build_step, gpu, batch_size, image_size, rules, precision, oracles, strict, quick)


def _check(
    build_step: BuildStep,
    gpu: str | Gpu | Sequence[str | Gpu],
    batch_size: int | None,
    image_size: tuple[int, int] | None,
    rules: Rules | str,
    precision: str,
    oracles: Oracles | None,
    strict: bool,
    quick: bool,
) -> Check:
    named = [gpu] if isinstance(gpu, str | Gpu) else list(gpu)
    cards = [each for each in named if isinstance(each, Gpu)]
    names = [each for each in named if isinstance(each, str)]
    cards += select_gpus(names) if names or not cards else []
    rows = fit_step(
        build_step, cards, batch_size, rules, precision, oracles, strict=strict, image_size=image_size, quick=quick
    )
    name = getattr(build_step, "__name__", type(build_step).__name__)
    return Check(title_of([name], precision, rules_of(rules), rows[0].to_fields()), tuple(rows))
