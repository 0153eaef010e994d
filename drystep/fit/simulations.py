"""Simulations of a step at several sizes, shared by the cards under whose rules its trace is the same."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from drystep.batches.handles import with_handles
from drystep.batches.largest import LARGEST_BATCH, Attempt
from drystep.batches.scaled import same_memory
from drystep.batches.throughput import BatchSpeed, Throughput, throughput
from drystep.cuda.rules import Rules
from drystep.errors import SimulationError
from drystep.fit.assumed_rows import AssumedRows, assumed_rows
from drystep.fit.sizes import StepSize
from drystep.gpus.classes import Gpu
from drystep.memory.choices import Choices
from drystep.simulation import Simulation, judge
from drystep.simulator import simulate
from drystep.trace.trace import Trace
from drystep.values.oracles import Oracles
from drystep.values.sides import FIRST_SIDES, Sides


class StepSimulations:
    """Simulations of a step at several sizes, each once for all cards that share its trace.

    The size that is asked for is simulated for each group of cards that differ in the workspaces of cuBLAS's handles.
    Where the traces differ in nothing else, those of other sizes are simulated for one group, and written anew with
    the workspaces of the others.
    """

    def __init__(
        self,
        build_step: Callable[..., Any],
        gpus: Sequence[Gpu],
        asked: StepSize,
        rules: Rules,
        precision: str,
        oracles: Oracles | None,
        strict: bool,
    ) -> None:
        self.asked = asked
        self._strict = strict
        self._build_step, self._gpus = build_step, gpus
        self._rules, self._precision, self._oracles = rules, precision, oracles
        self._alike = _alike(rules, gpus)
        self._done: dict[tuple[StepSize, Rules], Simulation] = {}
        self._choices: dict[tuple[StepSize, Rules], Choices] = {}
        self._sources: dict[Rules, Rules] = {}

    def of(self, gpu: Gpu, size: StepSize) -> Simulation:
        """The step at a size, simulated under the rules that a card shares with others."""
        return self._simulation(size, self._alike[gpu.name])

    def as_asked(self, gpu: Gpu) -> Simulation:
        """The step on a card of its own architecture, from the trace that it shares with others."""
        shared = self.of(gpu, self.asked)
        return replace(
            judge(shared.trace, [gpu], self.own_rules(gpu), choices=shared.choices),
            warnings=shared.warnings,
            assumptions=shared.assumptions,
        )

    def assumed_rows(self, with_hinges: bool) -> AssumedRows | None:
        """How much the peak of the step as asked hangs on assumed rows; None if none were assumed."""
        of_card = self._alike[self._gpus[0].name]
        return assumed_rows(
            self.of(self._gpus[0], self.asked),
            lambda sides: self._simulate(self.asked, of_card, sides),
            with_hinges,
        )

    def throughput(self, gpu: Gpu, largest_batch: int, ranks: int) -> Throughput:
        """Images per second of a card, over batch sizes from the one that was asked for to the largest that fits."""
        asked = self.asked.batch_size
        assert asked is not None
        if asked > LARGEST_BATCH and self.attempt(gpu, self.asked).fits:
            largest_batch = asked  # the search for the largest ends below
        return throughput(functools.partial(self._speed, gpu, ranks), asked, largest_batch)

    def own_rules(self, gpu: Gpu) -> Rules:
        """The rules of a card: those of the cards that it shares a trace with, and its own architecture."""
        return replace(self._alike[gpu.name], card=self._rules.card or gpu)

    def source(self, gpu: Gpu) -> Rules:
        """The rules under which sizes are simulated for a card: its own, or those of the first card."""
        own, first = self._alike[gpu.name], self._alike[self._gpus[0].name]
        if own not in self._sources:
            as_first = self.with_own_handles(gpu, self._simulation(self.asked, first).trace, first)
            is_derived = own == first or same_memory(as_first, self._simulation(self.asked, own).trace)
            self._sources[own] = first if is_derived else own
        return self._sources[own]

    def recorded(self, size: StepSize, source: Rules) -> Trace:
        """The trace of a size, recorded under some rules."""
        return self._simulation(size, source).trace

    def with_own_handles(self, gpu: Gpu, trace: Trace, source: Rules) -> Trace:
        """A trace of other rules, with the workspaces that cuBLAS's handles take on a card."""
        before_bytes, after_bytes = source.cublas_workspace_bytes, self.handle_bytes(gpu)
        return trace if before_bytes == after_bytes else with_handles(trace, before_bytes, after_bytes)

    def handle_bytes(self, gpu: Gpu) -> int:
        """What each cuBLAS handle takes on a card."""
        return self._alike[gpu.name].cublas_workspace_bytes

    def choices(self, gpu: Gpu, size: StepSize) -> Choices:
        """Replays of the trace of a size that is simulated."""
        key = (size, self._alike[gpu.name])
        if key in self._done:
            return self._done[key].choices
        if key not in self._choices:
            source = self.source(gpu)
            trace = self.with_own_handles(gpu, self.recorded(size, source), source)
            shared = self._done[size, source].choices if source == key[1] else None
            self._choices[key] = shared or Choices(trace, self._rules.allocator_settings)
        return self._choices[key]

    def attempt(self, gpu: Gpu, size: StepSize) -> Attempt:
        """What a card does with a size that is simulated."""
        return self.attempt_of(gpu, self.choices(gpu, size))

    def attempt_of(self, gpu: Gpu, choices: Choices) -> Attempt:
        """What a card does with a trace."""
        usable_bytes = self.usable_bytes(gpu)
        fits = choices.fits(gpu.compute_capability, usable_bytes)
        reserved_bytes = choices.replay(False, gpu.compute_capability).peak_reserved_bytes
        return Attempt("fits" if fits else "oom", reserved_bytes, usable_bytes - reserved_bytes)

    def usable_bytes(self, gpu: Gpu) -> int:
        """What the allocator can reserve on a card."""
        return self._alike[gpu.name].usable_bytes(gpu)

    def choices_of(self, trace: Trace) -> Choices:
        """Replays of any trace of the step."""
        return Choices(trace, self._rules.allocator_settings)

    def _speed(self, gpu: Gpu, ranks: int, batch_size: int) -> BatchSpeed | None:
        size = replace(self.asked, batch_size=batch_size)
        if not self.attempt(gpu, size).fits:
            return None
        fit = self.choices(gpu, size).fit(gpu.compute_capability, self.usable_bytes(gpu))
        recorded = self._simulation(size, self.source(gpu))  # the work is the same, whatever handles take
        return BatchSpeed(batch_size, recorded.step_time(gpu, ranks).step_ms, fit.alloc_retries)

    def _simulation(self, size: StepSize, of_card: Rules) -> Simulation:
        if (size, of_card) not in self._done:
            self._done[size, of_card] = self._simulate(size, of_card)
        return self._done[size, of_card]

    def _simulate(self, size: StepSize, of_card: Rules, sides: Sides = FIRST_SIDES) -> Simulation:
        build = functools.partial(self._build_step, **size.keywords)
        one = next(gpu for gpu in self._gpus if self._alike[gpu.name] == of_card)  # others are judged when asked for
        try:
            return simulate(
                build, of_card, self._precision, gpus=[one], oracles=self._oracles, strict=self._strict, sides=sides
            )
        except SimulationError as error:
            if size == self.asked:
                raise
            raise SimulationError(f"with {size}: {error}") from error


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
