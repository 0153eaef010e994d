"""The cases behind the report's forms of the highway: the same function computed in other ways, beside Fixed."""

from dataclasses import replace

from bench.case import Case
from bench.methods import E3VA_RANKS
from bench.paper_grids import TIMED_IMAGES

TASK = "voc"
FORMS = ("-reference", "", "-recompute")
"""Endings of the methods' names."""


def highway_grid() -> list[Case]:
    """Memory at the paper's size, of all sizes and options; time on the CPU at Table 3's small size, of one size."""
    fixed = Case(task=TASK, method="fixed", engine="simulate")
    sizes = [replace(fixed, method=f"{size}{form}") for size in E3VA_RANKS for form in FORMS]
    options = [
        option
        for case in (replace(fixed, method="e3va"), replace(fixed, method="e3va-recompute"))
        for option in (replace(case, fused_attention=True), replace(case, bf16_trunk=True))
    ]
    timed = [
        Case(task=TASK, method=method, backbone="swin_tiny", image_size=TIMED_IMAGES[TASK], engine="cpu")
        for method in ("full", "fixed", *(f"e3va{form}" for form in FORMS))
    ]
    return [fixed, *sizes, *options, *timed]
