"""The cases behind the report's worst case over a run: one method of each kind, on one shape and on a run."""

from dataclasses import replace

from bench.case import Case

METHODS = ("full", "lora", "e3va")
"""Trains the backbone; backpropagates through it; does neither."""
TASKS = ("voc", "coco")
"""Those whose batches vary in size, with the backbones of the paper's tables."""
BATCHES = 12


def run_grid() -> list[Case]:
    """Runs, each after its single shape."""
    shapes = [Case(task=task, method=method, engine="simulate") for task in TASKS for method in METHODS]
    return [replace(case, batches=batches) for case in shapes for batches in (1, BATCHES)]
