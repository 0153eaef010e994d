"""The cases behind the report's rivals: other ways to spend less memory, beside E3VA."""

from bench.case import Case
from bench.paper_grids import TIMED_IMAGES

RIVALS = (
    ("full", False),
    ("full", True),
    ("lora", False),
    ("lora", True),
    ("lst", False),
    ("fixed", False),
    ("e3va", False),
    ("e3va-recompute", False),
)
"""Method, and whether the backbone's blocks are recomputed in backward (activation checkpointing)."""
TASKS = ("voc", "coco")
TIMED_TASK = "voc"


def rivals_grid() -> list[Case]:
    """Memory at the paper's size with its backbones; time on the CPU, at Table 3's small size."""
    simulated = [
        Case(task=task, method=method, checkpointing=checkpointing, engine="simulate")
        for task in TASKS
        for method, checkpointing in RIVALS
    ]
    timed = [
        Case(
            task=TIMED_TASK,
            method=method,
            checkpointing=checkpointing,
            backbone="swin_tiny",
            image_size=TIMED_IMAGES[TIMED_TASK],
            engine="cpu",
        )
        for method, checkpointing in RIVALS
    ]
    return [*simulated, *timed]
