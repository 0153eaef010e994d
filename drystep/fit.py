"""A training step judged for each card: does it fit, what is left, how large a batch fits."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from drystep.bounds import require_whole
from drystep.cuda.rules import DEFAULT_PRECISION, DEFAULT_PROFILE, Rules, rules_of
from drystep.errors import SimulationError, shortened
from drystep.gpus.classes import Gpu
from drystep.gpus.peaks import Peaks
from drystep.largest import LARGEST_BATCH, Attempt, largest
from drystep.simulation import Simulation, judge
from drystep.simulator import simulate
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
        }


def fit_step(
    build_step: Callable[..., Any],
    gpus: Sequence[Gpu],
    batch_size: int | None = None,
    rules: Rules | str = DEFAULT_PROFILE,
    precision: str = DEFAULT_PRECISION,
    oracles: Oracles | None = None,
) -> list[CardFit]:
    """Judge `build_step(device)` for each card, and find the largest batch if it also takes a `batch_size`.

    A card is judged under its own rules where `rules` name none. Raises `ValueError` for unknown names and impossible
    sizes, and `SimulationError` for a step that cannot run.
    """
    takes_batch = "batch_size" in inspect.signature(build_step).parameters
    if batch_size is not None and not takes_batch:
        raise ValueError(
            f"{build_step.__name__} takes no batch_size: leave --batch-size out, or give the function that keyword"
        )
    size_asked = _default_batch(build_step) if takes_batch and batch_size is None else batch_size
    if size_asked is not None:
        require_whole("batch size", size_asked, 1, MOST_BATCH_SIZE)

    alike = _alike(rules_of(rules), gpus)

    @functools.cache
    def simulation(size: int | None, of_card: Rules) -> Simulation:
        build = build_step if size is None else functools.partial(build_step, batch_size=size)
        try:
            judged = [gpu for gpu in gpus if alike[gpu.name] == of_card]
            return simulate(build, of_card, precision, gpus=judged, oracles=oracles)
        except SimulationError as error:
            if size == size_asked:
                raise
            raise SimulationError(f"with batch_size={size}: {error}") from error

    def attempt(gpu: Gpu, size: int) -> Attempt:
        outcome = simulation(size, alike[gpu.name])
        fit = outcome.fits[gpu.name]
        return Attempt(fit.verdict, outcome.peak_reserved_bytes, fit.usable_bytes - fit.peak_reserved_bytes)

    def largest_batch(gpu: Gpu) -> int | None:
        if size_asked is None:
            return None
        usable_bytes = alike[gpu.name].usable_bytes(gpu)
        return largest(functools.partial(attempt, gpu), size_asked, LARGEST_BATCH, usable_bytes, load=float)

    def as_asked(gpu: Gpu) -> Simulation:
        """The step on a card of its own architecture, from the trace that it shares with others."""
        shared = simulation(size_asked, alike[gpu.name])
        own = replace(alike[gpu.name], card=rules_of(rules).card or gpu)
        return replace(judge(shared.trace, [gpu], own, choices=shared.choices), warnings=shared.warnings)

    return [CardFit(gpu, as_asked(gpu), size_asked, largest_batch(gpu)) for gpu in gpus]


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
