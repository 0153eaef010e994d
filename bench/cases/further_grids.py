"""The cases behind the report's tables beyond the paper's: ablations, forms, rivals, levers, runs, allocators."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bench.cases.case import Case
from bench.cases.methods import ABLATIONS, E3VA_RANKS, Form, as_published, in_form
from bench.cases.paper_grids import TIMED_IMAGES

ABLATED_TASKS = ("voc", "ade20k")
"""The tasks of Table 1. The paper's ablations are on VOC, but its parameter counts include all output norms."""
FORMS: tuple[Form, ...] = ("reference", "fused", "recompute")
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
LEVERS: tuple[dict[str, Any], ...] = (
    {"checkpointing": True},
    {"precision": "amp-bf16"},
    {"fused_attention": True},
    {"method": "lora"},
    {"method": "e3va"},
    {"method": "e3va-recompute"},
)
"""What each lever changes in a case, in the order in which they are added to each other."""
VARYING_TASKS = ("voc", "coco")
"""Tasks whose batches vary in size."""
RUN_METHODS = ("full", "lora", "e3va")
"""A method that trains the backbone, one that backpropagates through it, and one that does neither."""
EXPANDABLE_METHODS = ("full", "e3va")
"""Methods of the runs that are simulated with two settings of the allocator."""
RUN_BATCHES = 12
EXPANDABLE = "expandable_segments:True"
"""Setting of PyTorch's allocator that lets segments grow."""
TIMED_TASK = "voc"


def ablation_grid() -> list[Case]:
    """E3VA with one thing changed, and its reference form: memory at the paper's size, times at that of Table 3."""
    methods = (as_published("e3va"), *ABLATIONS)
    simulated = [Case(task=task, method=method, engine="simulate") for task in ABLATED_TASKS for method in methods]
    return [*simulated, *_timed(("full", False), *((method, False) for method in methods))]


def forms_grid() -> list[Case]:
    """The forms of the highway, and Fixed: memory for all sizes and options, times for one size."""
    fixed = Case(task=TIMED_TASK, method="fixed", engine="simulate")
    sizes = [replace(fixed, method=in_form(size, form)) for size in E3VA_RANKS for form in FORMS]
    options = [
        option
        for case in (replace(fixed, method="e3va"), replace(fixed, method="e3va-recompute"))
        for option in (replace(case, fused_attention=True), replace(case, bf16_trunk=True))
    ]
    timed = _timed(("full", False), ("fixed", False), *((in_form("e3va", form), False) for form in FORMS))
    return [fixed, *sizes, *options, *timed]


def rivals_grid() -> list[Case]:
    """E3VA and other ways to save memory: memory at the paper's size, times at that of Table 3."""
    simulated = [
        Case(task=task, method=method, checkpointing=checkpointing, engine="simulate")
        for task in VARYING_TASKS
        for method, checkpointing in RIVALS
    ]
    return [*simulated, *_timed(*RIVALS)]


def levers_grid() -> list[Case]:
    """Full with one lever after the other added to it, and each lever alone, on the largest model of the paper."""
    full = Case(task="coco", method="full", backbone="swin_large", engine="simulate")
    together = [full]
    for lever in LEVERS:
        together.append(replace(together[-1], **lever))
    return [*together, *(replace(full, **lever) for lever in LEVERS)]


def runs_grid() -> list[Case]:
    """The worst case over a run of batches: one method of each kind, on a single shape and on a run."""
    shapes = [Case(task=task, method=method, engine="simulate") for task in VARYING_TASKS for method in RUN_METHODS]
    return [replace(case, batches=batches) for case in shapes for batches in (1, RUN_BATCHES)]


def allocators_grid() -> list[Case]:
    """Runs of batches of changing size with the allocator's default settings, and with expandable segments."""
    runs = [Case(task="voc", method=method, batches=RUN_BATCHES, engine="simulate") for method in EXPANDABLE_METHODS]
    return [replace(case, alloc_conf=setting) for case in runs for setting in ("", EXPANDABLE)]


def _timed(*methods: tuple[str, bool]) -> Iterable[Case]:
    """Methods, with or without activation checkpointing, on the CPU at Table 3's small size."""
    return [
        Case(
            task=TIMED_TASK, method=method, checkpointing=checkpointing, backbone="swin_tiny",
            image_size=TIMED_IMAGES[TIMED_TASK], engine="cpu",
        )
        for method, checkpointing in methods
    ]  # fmt: skip
