"""The cost of a method beside memory and time: what a task stores, what a step keeps for backward, and computes."""

from bench.cases.stored_size import stored_bytes
from bench.cases.training_step import PreparedCase
from drystep.simulation import Simulation

BACKBONE = "backbone"
"""Path of the backbone in the model of every task."""


def cost_fields(prepared: PreparedCase, simulation: Simulation) -> dict[str, int]:
    """The `cost` of a result line, of the whole model and of its backbone alone."""
    flops, of_backbone = simulation.flops(), simulation.flops(BACKBONE)
    return {
        "stored_bytes": stored_bytes(prepared.model),
        "backbone_stored_bytes": stored_bytes(prepared.backbone),
        "saved_bytes": simulation.saved_bytes(),
        "backbone_saved_bytes": simulation.saved_bytes(BACKBONE),
        "forward_flops": flops["forward"],
        "backward_flops": flops["backward"],
        "backbone_forward_flops": of_backbone["forward"],
        "backbone_backward_flops": of_backbone["backward"],
    }
