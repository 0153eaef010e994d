"""The cases behind the report's worst case over a run: one method of each kind, on one shape and on a run."""

from dataclasses import replace

from bench.case import Case

METHODS = ("full", "lora", "e3va")
"""Trains the backbone; backpropagates through it; does neither."""
BATCHES = 12


def run_grid() -> list[Case]:
    """Swin-B on COCO, whose augmentation varies most."""
    shapes = [Case(task="coco", method=method, engine="simulate") for method in METHODS]
    return [replace(case, batches=batches) for case in shapes for batches in (1, BATCHES)]
