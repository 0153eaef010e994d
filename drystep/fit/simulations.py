"""Simulations of a step at several batch sizes, shared by the cards under whose rules its trace is the same."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from drystep.assumed_rows import AssumedRows, assumed_rows
from drystep.batches.largest import LARGEST_BATCH, Attempt, largest
from drystep.batches.throughput import BatchSpeed, Throughput, throughput
from drystep.cuda.rules import Rules
from drystep.errors import SimulationError
from drystep.gpus.classes import Gpu
from drystep.simulation import Simulation, judge
from drystep.simulator import simulate
from drystep.values.oracles import Oracles
from drystep.values.sides import FIRST_SIDES, Sides


class StepSimulations:
    """Simulations of a step at several batch sizes, each once for all cards that share its trace."""

    def __init__(
        self,
        build_step: Callable[..., Any],
        gpus: Sequence[Gpu],
        size_asked: int | None,
        rules: Rules,
        precision: str,
        oracles: Oracles | None,
        strict: bool,
    ) -> None:
        self._strict = strict
        self._build_step, self._gpus, self._size_asked = build_step, gpus, size_asked
        self._rules, self._precision, self._oracles = rules, precision, oracles
        self._alike = _alike(rules, gpus)
        self._done: dict[tuple[int | None, Rules], Simulation] = {}

    def of(self, gpu: Gpu, size: int | None) -> Simulation:
        """The step at a batch size, under the rules that a card shares with others."""
        of_card = self._alike[gpu.name]
        if (size, of_card) not in self._done:
            self._done[size, of_card] = self._simulate(size, of_card)
        return self._done[size, of_card]

    def as_asked(self, gpu: Gpu) -> Simulation:
        """The step on a card of its own architecture, from the trace that it shares with others."""
        shared = self.of(gpu, self._size_asked)
        own = replace(self._alike[gpu.name], card=self._rules.card or gpu)
        judged = judge(shared.trace, [gpu], own, choices=shared.choices)
        return replace(judged, warnings=shared.warnings, assumptions=shared.assumptions)

    def assumed_rows(self, with_hinges: bool) -> AssumedRows | None:
        """How much the peak of the step as asked hangs on assumed rows; None if none were assumed."""
        of_card = self._alike[self._gpus[0].name]
        return assumed_rows(
            self.of(self._gpus[0], self._size_asked),
            lambda sides: self._simulate(self._size_asked, of_card, sides),
            with_hinges,
        )

    def largest_batch(self, gpu: Gpu) -> int | None:
        """The largest batch that fits a card, 0 if none does, None for a step that takes no batch size."""
        if self._size_asked is None:
            return None
        usable_bytes = self._alike[gpu.name].usable_bytes(gpu)
        return largest(functools.partial(self._attempt, gpu), self._size_asked, LARGEST_BATCH, usable_bytes, load=float)

    def throughput(self, gpu: Gpu, largest_batch: int, ranks: int) -> Throughput:
        """Images per second of a card, over batch sizes from the one that was asked for to the largest that fits."""
        assert self._size_asked is not None
        if self._size_asked > LARGEST_BATCH and self._attempt(gpu, self._size_asked).fits:
            largest_batch = self._size_asked  # the search for the largest ends below
        return throughput(functools.partial(self._speed, gpu, ranks), self._size_asked, largest_batch)

    def _attempt(self, gpu: Gpu, size: int) -> Attempt:
        outcome = self.of(gpu, size)
        fit = outcome.fits[gpu.name]
        return Attempt(fit.verdict, outcome.peak_reserved_bytes, fit.usable_bytes - fit.peak_reserved_bytes)

    def _speed(self, gpu: Gpu, ranks: int, size: int) -> BatchSpeed | None:
        if not self._attempt(gpu, size).fits:
            return None
        outcome = self.of(gpu, size)
        return BatchSpeed(size, outcome.step_time(gpu, ranks).step_ms, outcome.fits[gpu.name].alloc_retries)

    def _simulate(self, size: int | None, of_card: Rules, sides: Sides = FIRST_SIDES) -> Simulation:
        build = self._build_step if size is None else functools.partial(self._build_step, batch_size=size)
        judged = [gpu for gpu in self._gpus if self._alike[gpu.name] == of_card]
        try:
            return simulate(
                build, of_card, self._precision, gpus=judged, oracles=self._oracles, strict=self._strict, sides=sides
            )
        except SimulationError as error:
            if size == self._size_asked:
                raise
            raise SimulationError(f"with batch_size={size}: {error}") from error


def _alike(rules: Rules, gpus: Sequence[Gpu]) -> dict[str, Rules]:
    """The rules of each card. Cards under whose rules a trace is the same share those of the first, and one trace."""
    if rules.card is not None:
        return {gpu.name: rules for gpu in gpus}
    first: dict[object, Rules] = {}
    found = {}
    for gpu in gpus:
        of_card = replace(rules, card=gpu)
        found[gpu.name] = first.setdefault(of_card.cublas_workspace_bytes, of_card)
    return found
