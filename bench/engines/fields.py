"""Parts of a result line that several engines write."""

from typing import Any

from bench.simulation.simulation import WARM_UP_STEPS
from bench.training_step import PreparedCase


def worst_batch(prepared: PreparedCase, index: int) -> dict[str, Any]:
    """Number, size and objects of one of the batches of a run that count."""
    shape = prepared.shapes[WARM_UP_STEPS + index]
    return {"index": index, "image_size": list(shape.image_size), "gt_boxes": shape.gt_boxes}  # as JSON has it
