"""A training step judged for each card, and its speed over batch sizes."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from drystep.batches.throughput import Throughput
from drystep.bounds import require_whole
from drystep.cuda.rules import DEFAULT_PRECISION, DEFAULT_PROFILE, Rules, rules_of
from drystep.fit.card_fit import CardFit
from drystep.fit.simulations import StepSimulations
from drystep.gpus.classes import Gpu, select_gpu
from drystep.time.gradient_exchange import MOST_RANKS
from drystep.values.oracles import Oracles

DEFAULT_BATCH = 2
MOST_BATCH_SIZE = 2**24
"""Images, or whatever a step counts: rows of a table may be millions."""


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
    with_hinges: bool = False,
) -> list[CardFit]:
    """Judge `build_step(device)` for each card, and find the largest batch if it also takes a `batch_size`.

    A card is judged under its own rules where `rules` name none. With `ranks`, the time of a step is predicted for so
    many processes of DistributedDataParallel, one per card, whose buckets count in the memory if the rules say so.
    `with_throughput` predicts images per second of each card, from the batch size on. With `strict`, a step whose
    figures may not be those of the real one is an error (`drystep.simulate`). Where rows were assumed, the step is also
    simulated without them; `with_hinges` tells on which of these questions the peak hangs. Raises `ValueError` for
    unknown names and impossible sizes, and `SimulationError` for a step that cannot run.
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
    simulations = StepSimulations(build_step, gpus, size_asked, rules_of(rules), precision, oracles, strict)
    assumed = simulations.assumed_rows(with_hinges)
    rows = []
    for gpu in gpus:
        most = simulations.largest_batch(gpu)
        speeds = simulations.throughput(gpu, most, ranks or 1) if with_throughput and most is not None else None
        rows.append(CardFit(gpu, simulations.as_asked(gpu), size_asked, most, ranks, speeds, assumed))
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
    card = gpu if isinstance(gpu, Gpu) else select_gpu(gpu)
    (row,) = fit_step(build_step, [card], batch_size, rules, precision, oracles, ranks, with_throughput=True)
    assert row.throughput is not None
    return row.throughput


def _default_batch(build_step: Callable[..., Any]) -> int:
    default = inspect.signature(build_step).parameters["batch_size"].default
    return default if isinstance(default, int) else DEFAULT_BATCH
