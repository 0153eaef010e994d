"""A training step judged for each card, and its speed over batch sizes."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from drystep.batches.throughput import Throughput
from drystep.bounds import require_whole
from drystep.cuda.rules import DEFAULT_PRECISION, DEFAULT_PROFILE, Rules, rules_of
from drystep.fit.card_fit import CardFit
from drystep.fit.largest import largest_batches, largest_images
from drystep.fit.simulations import StepSimulations
from drystep.fit.sizes import Image, size_asked
from drystep.gpus.classes import Gpu, select_gpus
from drystep.time.gradient_exchange import MOST_RANKS
from drystep.values.oracles import Oracles


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
    image_size: Image | None = None,
    quick: bool = False,
    with_largest_image: bool = True,
) -> list[CardFit]:
    """Judge `build_step(device)` for each card, and find the largest batch if it also takes a `batch_size`.

    A card is judged under its own rules where `rules` name none. Where the function takes an `image_size`, a pair
    (height, width), the largest image is found, too: at the batch size that is asked for, in the same aspect ratio,
    with sides that are multiples of `build_step.image_multiple` (by default 32). The searches end at 4096 images and
    at sides of 4096 pixels; `quick` leaves both out, and `with_largest_image=False` that of the image. With `ranks`,
    the time of a step is predicted for so many processes of DistributedDataParallel, one per card, whose buckets count
    in the memory if the rules say so. `with_throughput` predicts images per second of each card, from the batch size
    on. With `strict`, a step whose figures may not be those of the real one is an error (`drystep.simulate`). Where
    rows were assumed, the step is also simulated without them; `with_hinges` tells on which of these questions the peak
    hangs. Raises `ValueError` for unknown names and impossible sizes, and `SimulationError` for a step that cannot run.
    """
    if with_throughput and "batch_size" not in inspect.signature(build_step).parameters:
        raise ValueError(
            f"{build_step.__name__} takes no batch_size: images per second are over batch sizes, so leave --throughput "
            "out, or give the function that keyword"
        )
    asked = size_asked(build_step, batch_size, image_size)
    if ranks is not None:
        require_whole("ranks", ranks, 1, MOST_RANKS)
    simulations = StepSimulations(build_step, gpus, asked, rules_of(rules), precision, oracles, strict)
    assumed = simulations.assumed_rows(with_hinges)
    judged = {gpu.name: simulations.as_asked(gpu) for gpu in gpus}
    needs_batch = with_throughput or not quick
    batches = largest_batches(simulations, gpus) if needs_batch else {}
    images: dict[str, Image] = {}
    unknown = "the largest image was not asked for"
    if with_largest_image and not quick:
        images, unknown = largest_images(simulations, gpus, build_step)
    rows = []
    for gpu in gpus:
        most, image = batches.get(gpu.name), images.get(gpu.name)
        speeds = simulations.throughput(gpu, most, ranks or 1) if with_throughput and most is not None else None
        rows.append(
            CardFit(
                gpu, judged[gpu.name], asked.batch_size, most, asked.image_size, image, unknown, ranks, speeds, assumed
            )
        )
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
    (row,) = fit_step(
        build_step, [card], batch_size, rules, precision, oracles, ranks, with_throughput=True, with_largest_image=False
    )
    assert row.throughput is not None
    return row.throughput
