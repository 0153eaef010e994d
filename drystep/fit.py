"""A training step judged for each card: does it fit, what is left, how large a batch fits."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from drystep.batches.largest import LARGEST_BATCH, Attempt, largest
from drystep.batches.throughput import BatchSpeed, Throughput, throughput
from drystep.bounds import require_whole
from drystep.cuda.rules import DEFAULT_PRECISION, DEFAULT_PROFILE, Rules, rules_of
from drystep.errors import SimulationError, shortened
from drystep.gpus.classes import Gpu, select_gpus
from drystep.gpus.peaks import Peaks
from drystep.simulation import Simulation, judge
from drystep.simulator import simulate
from drystep.time.gradient_exchange import MOST_RANKS
from drystep.values.oracles import Oracles
from drystep.zoo.python_file import load_function

DEFAULT_BATCH = 2
MOST_BATCH_SIZE = 2**24
"""Images, or whatever a step counts: rows of a table may be millions."""


@dataclass(frozen=True)
class CardFit:
    """What one card does with a step."""

    gpu: Gpu
    simulation: Simulation
    """At the batch as asked."""
    batch_size: int | None
    """As asked, or the step's own default; None when it takes none."""
    largest_batch: int | None
    """Images, or whatever the step counts; 0 when not even one fits, None when it takes no `batch_size`."""
    ranks: int | None = None
    """Processes of DistributedDataParallel for which the time is asked."""
    throughput: Throughput | None = None
    """Images per second, if they were asked for."""

    @property
    def headroom_bytes(self) -> int | None:
        """Usable bytes left beside the reserved peak; None when the step does not fit for sure."""
        fit = self.simulation.fits[self.gpu.name]
        return None if fit.verdict in ("oom", "depends") else fit.usable_bytes - fit.peak_reserved_bytes

    def to_fields(self) -> dict[str, Any]:
        """Make the JSON line of this card."""
        simulation = self.simulation
        return {
            "gpu": self.gpu.name,
            "batch_size": self.batch_size,
            **asdict(simulation.fits[self.gpu.name]),
            "headroom_bytes": self.headroom_bytes,
            "largest_batch": self.largest_batch,
            "uncapped": {
                "peak_allocated_bytes": simulation.peak_allocated_bytes,
                "peak_reserved_bytes": simulation.peak_reserved_bytes,
                "peak_allocated_interval_bytes": simulation.peak_allocated_interval_bytes,
                "peak_reserved_interval_bytes": simulation.peak_reserved_interval_bytes,
                "peak_phase": simulation.peak_phase,
                "at_peak": simulation.at_peak,
            },
            "warnings": list(simulation.warnings),
            **self._time_fields(),
            "throughput": self.throughput.to_fields() if self.throughput else None,
        }

    def _time_fields(self) -> dict[str, Any]:
        """The predicted time, among ranks if there are several, or why there is none."""
        fields: dict[str, Any] = {
            "ranks": self.ranks, "step_ms": None, "least_ms": None, "most_ms": None, "coverage": None, "rests_on": [],
            "exchange_ms": None, "exposed_ms": None, "time_unknown": "",
        }  # fmt: skip
        try:
            time = self.simulation.step_time(self.gpu, self.ranks or 1)
        except ValueError as error:
            return {**fields, "time_unknown": str(error)}
        least_ms, most_ms = time.interval_ms
        fields |= {"step_ms": time.step_ms, "least_ms": least_ms, "most_ms": most_ms, "coverage": time.coverage}
        fields["rests_on"] = list(time.rests_on)
        if self.ranks is None:
            return fields
        exchange = time.exchange
        exchange_ms, exposed_ms = (exchange.all_reduce_ms, exchange.exposed_ms) if exchange else (0.0, 0.0)
        return {**fields, "exchange_ms": exchange_ms, "exposed_ms": exposed_ms}


def fit_step(
    build_step: Callable[..., Any],
    gpus: Sequence[Gpu],
    batch_size: int | None = None,
    rules: Rules | str = DEFAULT_PROFILE,
    precision: str = DEFAULT_PRECISION,
    oracles: Oracles | None = None,
    ranks: int | None = None,
    with_throughput: bool = False,
    strict: bool = False,
) -> list[CardFit]:
    """Judge `build_step(device)` for each card, and find the largest batch if it also takes a `batch_size`.

    A card is judged under its own rules where `rules` name none. With `ranks`, the time of a step is predicted for so
    many processes of DistributedDataParallel, one per card, whose buckets count in the memory if the rules say so.
    `with_throughput` predicts images per second of each card, from the batch size on. With `strict`, a step whose
    figures may not be those of the real one is an error (`drystep.simulate`). Raises `ValueError` for unknown names and
    impossible sizes, and `SimulationError` for a step that cannot run.
    """
    takes_batch = "batch_size" in inspect.signature(build_step).parameters
    if batch_size is not None and not takes_batch:
        raise ValueError(
            f"{build_step.__name__} takes no batch_size: leave --batch-size out, or give the function that keyword"
        )
    if with_throughput and not takes_batch:
        raise ValueError(
            f"{build_step.__name__} takes no batch_size: images per second are over batch sizes, so leave --throughput "
            "out, or give the function that keyword"
        )
    size_asked = _default_batch(build_step) if takes_batch and batch_size is None else batch_size
    if size_asked is not None:
        require_whole("batch size", size_asked, 1, MOST_BATCH_SIZE)
    if ranks is not None:
        require_whole("ranks", ranks, 1, MOST_RANKS)
    simulations = _Simulations(build_step, gpus, size_asked, rules_of(rules), precision, oracles, strict)
    rows = []
    for gpu in gpus:
        most = simulations.largest_batch(gpu)
        speeds = simulations.throughput(gpu, most, ranks or 1) if with_throughput and most is not None else None
        rows.append(CardFit(gpu, simulations.as_asked(gpu), size_asked, most, ranks, speeds))
    return rows


def step_throughput(
    build_step: Callable[..., Any],
    gpu: str | Gpu,
    batch_size: int | None = None,
    rules: Rules | str = DEFAULT_PROFILE,
    precision: str = DEFAULT_PRECISION,
    oracles: Oracles | None = None,
    ranks: int | None = None,
) -> Throughput:
    """Predict the images per second of `build_step(device, batch_size)` on a card, and the best batch size.

    Batch sizes are `batch_size` (by default that of the function, or 2), the powers of two above it, and the largest
    that fits. Raises what `fit_step` raises.
    """
    card = gpu if isinstance(gpu, Gpu) else select_gpus([gpu])[0]
    (row,) = fit_step(build_step, [card], batch_size, rules, precision, oracles, ranks, with_throughput=True)
    assert row.throughput is not None
    return row.throughput


class _Simulations:
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
        return replace(judge(shared.trace, [gpu], own, choices=shared.choices), warnings=shared.warnings)

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

    def _simulate(self, size: int | None, of_card: Rules) -> Simulation:
        build = self._build_step if size is None else functools.partial(self._build_step, batch_size=size)
        judged = [gpu for gpu in self._gpus if self._alike[gpu.name] == of_card]
        try:
            return simulate(build, of_card, self._precision, gpus=judged, oracles=self._oracles, strict=self._strict)
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


class FitSession:
    """Judges the step of a file in a child process, so that whatever the file does stays there."""

    def __init__(
        self, note_phase: Callable[[str], None], target: str, gpus: Sequence[Mapping[str, Any]], **asked: Any
    ) -> None:
        note_phase("simulation")
        self._target = target
        self._gpus = [Gpu(**{**gpu, "peaks": Peaks(**gpu["peaks"])}) for gpu in gpus]
        self._asked = {**asked, "oracles": Oracles(**asked["oracles"]), "rules": Rules(**asked["rules"])}

    def fit(self) -> dict[str, Any]:
        """Rows as JSON has them; or what was "wrong" with the command, or how the step "failed"."""
        try:
            rows = fit_step(load_function(self._target), self._gpus, **self._asked)
        except SimulationError as error:
            return {"failed": str(error)}
        except ValueError as error:
            return {"wrong": shortened(str(error))}
        return {"rows": [row.to_fields() for row in rows]}

    def so_far(self) -> dict[str, Any]:
        """Nothing is known before the end."""
        return {}


def _default_batch(build_step: Callable[..., Any]) -> int:
    default = inspect.signature(build_step).parameters["batch_size"].default
    return default if isinstance(default, int) else DEFAULT_BATCH
