"""The largest batch and the largest image that fit each card."""

from collections.abc import Callable, Sequence
from typing import Any

from drystep.bounds import require_whole
from drystep.errors import SimulationError
from drystep.fit.search import NotScaledError, Row, largest_scaled, largest_simulated
from drystep.fit.simulations import StepSimulations
from drystep.fit.sizes import DEFAULT_MULTIPLE, LARGEST_IMAGE_SIDE, BatchRow, Image, ImageRow
from drystep.gpus.classes import Gpu

FEW_CARDS = 4
"""Number of cards up to which each attempted image is simulated, where traces cannot be made of others."""


def largest_batches(simulations: StepSimulations, gpus: Sequence[Gpu]) -> dict[str, int]:
    """The largest batch that fits each card, 0 where none does; nothing for a step that takes no batch size."""
    if simulations.asked.batch_size is None:
        return {}
    row = BatchRow(simulations.asked)
    try:
        return largest_scaled(simulations, gpus, row)
    except (NotScaledError, SimulationError):  # the search below raises the latter again where it meets it
        return _each_simulated(simulations, gpus, row)


def largest_images(
    simulations: StepSimulations, gpus: Sequence[Gpu], build_step: Callable[..., Any]
) -> tuple[dict[str, Image], str]:
    """The largest image that fits each card, (0, 0) where none does; or nothing, and why in a sentence.

    Raises `ValueError` for an impossible `image_multiple` of the function.
    """
    multiple = getattr(build_step, "image_multiple", DEFAULT_MULTIPLE)
    require_whole("image_multiple", multiple, 1, LARGEST_IMAGE_SIDE)
    if simulations.asked.image_size is None:
        return {}, "the step takes no image_size whose default is a pair (height, width)"
    row = ImageRow(simulations.asked, multiple)
    try:
        try:
            found = largest_scaled(simulations, gpus, row)
        except NotScaledError as error:
            if len(gpus) > FEW_CARDS:
                return {}, (
                    f"{error}, so that each image would be simulated for each card: name {FEW_CARDS} cards at most"
                )
            found = _each_simulated(simulations, gpus, row)
    except SimulationError as error:
        return {}, str(error)
    return {name: row.image(number) for name, number in found.items()}, ""


def _each_simulated(simulations: StepSimulations, gpus: Sequence[Gpu], row: Row) -> dict[str, int]:
    return {gpu.name: largest_simulated(simulations, gpu, row) for gpu in gpus}
