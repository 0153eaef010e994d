"""A training step of the user's own, judged for each card."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.gpus import Gpu
from bench.own_step import loaded
from bench.search import LARGEST_BATCH, Attempt, largest
from bench.simulation.errors import SimulationError
from bench.simulation.oracles import Oracles
from bench.simulation.simulation import Simulation, simulate

DEFAULT_BATCH = 2


@dataclass(frozen=True)
class OwnFit:
    """What one card does with a step."""

    gpu: Gpu
    simulation: Simulation
    """At the batch as asked; the same for all cards."""
    batch_size: int | None
    """As asked, or the step's own default; None when it takes none."""
    largest_batch: int | None
    """Images, or whatever the step counts; 0 when not even one fits, None when it takes no `batch_size`."""

    @property
    def headroom_bytes(self) -> int | None:
        """Usable bytes left beside the reserved peak; None when the step does not fit."""
        fit = self.simulation.fits[self.gpu.name]
        return None if fit.verdict == "oom" else fit.usable_bytes - fit.peak_reserved_bytes

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
                "peak_phase": simulation.peak_phase,
                "at_peak": simulation.at_peak,
            },
            "warnings": list(simulation.warnings),
        }


def fit_own_step(
    target: str,
    gpus: Sequence[Gpu],
    batch_size: int | None = None,
    profile: str = "torch-2.11",
    precision: str = "fp32",
    oracles: Oracles | None = None,
) -> list[OwnFit]:
    """Judge `FILE.py:NAME` for each card, and find the largest batch if the function takes a `batch_size`.

    Raises `ValueError` for a file or function that is not there, and `SimulationError` for a step that cannot run.
    """
    with loaded(target) as build_step:
        takes_batch = "batch_size" in inspect.signature(build_step).parameters
        if batch_size is not None and not takes_batch:
            raise ValueError(f"{target} takes no batch_size: leave --batch-size out, or give it that keyword")
        batch_size = _default_batch(build_step) if takes_batch and batch_size is None else batch_size
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch size must be a whole number of at least 1, not {batch_size}")

        @functools.cache
        def simulation(size: int | None) -> Simulation:
            build = build_step if size is None else functools.partial(build_step, batch_size=size)
            try:
                return simulate(build, profile, precision, gpus=gpus, oracles=oracles)
            except SimulationError as error:
                if size == batch_size:
                    raise
                raise SimulationError(f"with batch_size={size}: {error}") from error

        def attempt(gpu: Gpu, size: int) -> Attempt:
            outcome = simulation(size)
            fit = outcome.fits[gpu.name]
            return Attempt(fit.verdict, outcome.peak_reserved_bytes, fit.usable_bytes - fit.peak_reserved_bytes)

        def largest_batch(gpu: Gpu) -> int | None:
            if batch_size is None:
                return None
            return largest(functools.partial(attempt, gpu), batch_size, LARGEST_BATCH, gpu.usable_bytes, load=float)

        asked = simulation(batch_size)
        return [OwnFit(gpu, asked, batch_size, largest_batch(gpu)) for gpu in gpus]


def _default_batch(build_step: Callable[..., Any]) -> int:
    default = inspect.signature(build_step).parameters["batch_size"].default
    return default if isinstance(default, int) else DEFAULT_BATCH
