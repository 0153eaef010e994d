"""The cases behind the report's ablations: E3VA with one thing changed, beside its reference form."""

from dataclasses import replace

from bench.case import Case
from bench.methods import ABLATIONS
from bench.paper_grids import TIMED_IMAGES

TASKS = ("voc", "ade20k")
"""Those of Table 1; the paper's ablations are on VOC, and its parameters are of a backbone with all output norms."""
TIMED_TASK = "voc"


def ablation_grid() -> list[Case]:
    """Memory at the paper's size; times on the CPU, of training and inference, at Table 3's small size."""
    methods = ("e3va-reference", *ABLATIONS)
    simulated = [Case(task=task, method=method, engine="simulate") for task in TASKS for method in methods]
    timed = Case(
        task=TIMED_TASK, method="full", backbone="swin_tiny", image_size=TIMED_IMAGES[TIMED_TASK], engine="cpu"
    )
    return [*simulated, timed, *(replace(timed, method=method) for method in methods)]
