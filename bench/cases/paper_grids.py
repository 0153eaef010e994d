"""The cases behind the paper's Tables 1 to 4."""

from collections.abc import Sequence

from bench.cases.case import Case
from bench.cases.methods import E3VA_RANKS, PAPER_METHODS, as_published, in_form
from bench.cases.tasks import FULL_ROIS_PER_IMAGE, WORKLOADS

TIMED_IMAGES = {"voc": (128, 192), "ade20k": (64, 96), "coco": (96, 128)}
"""Image sizes of Table 3, small enough for real steps on a CPU."""
BATCH_SIZES = (1, 2)
FIRST_BATCHES = 8
FURTHER_BATCH_SIZES = (1, 4, 8, 16)
"""Batch sizes besides the paper's two images."""
AS_PUBLISHED = tuple(map(as_published, PAPER_METHODS))
"""The paper's methods in the form that it measured: its E3VA is built of plain modules."""
OUR_FORMS = (*E3VA_RANKS, in_form("e3va", "recompute"))
"""Our own forms of E3VA, which have rows of their own in the tables."""
TIMED_FORMS = ("e3va", in_form("e3va", "recompute"))
"""Those of them that are timed: their other ranks take as long."""
TABLE_METHODS = (*AS_PUBLISHED, *OUR_FORMS)
PROBABLE_BATCHES = 4
"""Of a run, which ends with the largest of an epoch."""


def table1() -> list[Case]:
    """Swin-L on Pascal VOC and ADE20K, all methods: parameters and memory."""
    return [
        Case(task=task, method=method, backbone="swin_large", engine="simulate")
        for task in ("voc", "ade20k")
        for method in TABLE_METHODS
    ]


def table2() -> list[Case]:
    """Swin-B on COCO, all methods, and E3VA on Swin-L."""
    cases = [Case(task="coco", method=method, backbone="swin_base", engine="simulate") for method in TABLE_METHODS]
    large = [as_published("e3va"), "e3va"]
    return [*cases, *(Case(task="coco", method=method, backbone="swin_large", engine="simulate") for method in large)]


def table3() -> list[Case]:
    """Swin-T on all three tasks, executed on the CPU: time per step relative to Full.

    The RoIs shrink with the image, so that the heads keep the share of the step that they have at full size.
    """
    return [
        Case(
            task=task,
            method=method,
            backbone="swin_tiny",
            image_size=size,
            engine="cpu",
            rois_per_image=_scaled_rois(task, size),
        )
        for task, size in TIMED_IMAGES.items()
        for method in (*AS_PUBLISHED, *TIMED_FORMS)
    ]


def table4() -> list[Case]:
    """Swin-L with Cascade Mask R-CNN, all methods, one and two images: which method trains on which card."""
    return [
        Case(task="coco", method=method, backbone="swin_large", batch_size=batch_size, engine="simulate")
        for method in TABLE_METHODS
        for batch_size in BATCH_SIZES
    ]


def probable_table4() -> list[Case]:
    """The cells of Table 4 under the rules that the authors probably had: PyTorch of 2021, fp32, batches that vary."""
    return [
        Case(
            task="coco", method=method, backbone="swin_large", batch_size=batch_size, profile="mm-2021",
            batches=PROBABLE_BATCHES, engine="simulate",
        )
        for method in AS_PUBLISHED
        for batch_size in BATCH_SIZES
    ]  # fmt: skip


def under_paper_settings() -> list[Case]:
    """The memory columns of Tables 1 and 2 under the settings of the authors' released configurations.

    Each method runs on a single shape, and on the first batches of a training run, which nvidia-smi would show. E3VA is
    built of plain modules.
    """
    return [
        Case(
            task=task, method=method, precision="apex-o1", profile="mm-2021", batches=batches,
            stretch=stretch, engine="simulate",
        )
        for task in ("voc", "coco")
        for method in AS_PUBLISHED
        for batches, stretch in ((1, "worst"), (FIRST_BATCHES, "first"))
    ]  # fmt: skip


def larger_batches() -> list[Case]:
    """Every task's own case, all methods, at further batch sizes: where saved memory allows a larger batch."""
    return [
        Case(task=task, method=method, batch_size=batch_size, engine="simulate")
        for task in WORKLOADS
        for method in PAPER_METHODS
        for batch_size in FURTHER_BATCH_SIZES
    ]


TABLES = {1: table1, 2: table2, 3: table3, 4: table4}


def grid(tables: Sequence[int]) -> list[Case]:
    """The cases of the given tables, each once and simulated ones first. Raises `ValueError` for an unknown table."""
    unknown = sorted(set(tables) - set(TABLES))
    if unknown:
        raise ValueError(f"unknown table {unknown[0]}: choose from {', '.join(map(str, TABLES))}")
    cases = list(dict.fromkeys(case for table in tables for case in TABLES[table]()))
    return sorted(cases, key=lambda case: case.engine != "simulate")


def _scaled_rois(task: str, size: tuple[int, int]) -> int:
    workload = WORKLOADS[task]
    if not workload.has_rois:
        return 0
    area = workload.image_size[0] * workload.image_size[1]
    return round(FULL_ROIS_PER_IMAGE * size[0] * size[1] / area)
