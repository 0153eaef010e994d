"""The paper's Tables 1 and 2, our figures beside the published ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.accuracy.columns import VS_FULL_NOTE, accuracy_columns, accuracy_note, groups_by_base
from reports.accuracy.runs import METRICS, NO_RUNS, runs_of_paper
from reports.cells import Column, number, signed, text
from reports.escaping import markdown_cell
from reports.forms import absent_note, bases_of, in_rows_of_the_paper, papers_rows, select_rows
from reports.ratios import percent_above, percent_above_full
from reports.records import KEY, labels, published

TASKS = {"voc": "VOC", "ade20k": "ADE20K", "coco": "COCO"}
ACCURACIES_1 = (("voc", "AP box"), ("ade20k", "mIoU"))
"""Task and metric of each accuracy in Table 1."""
LARGE_METHOD, LARGE_BACKBONE = "e3va", "swin_large"
"""The method that Table 2 shows on a second backbone."""

PARAMETER_NOTE = "Parameters are **counted**, in the backbone alone."
FORMS_NOTE = (
    "E3VA, E3VA+ and E3VA++ are results of their reference form, which is made of plain modules as the paper describes "
    "them; rows marked *ours* are other ways to compute the same function, which the paper does not have."
)
MEMORY_NOTE = (
    "Memory is **simulated**: the most that PyTorch's allocator reserves. Columns headed *paper* are **published**. "
    "The paper's MB are MiB, probably read with nvidia-smi (which adds 0.5 to 1.3 GiB of CUDA context) under NVIDIA "
    "Apex mixed precision and PyTorch 1.x: compare *vs Full* before the MiB."
)


@dataclass(frozen=True)
class Table:
    """A finished table: every cell is text, and so are title and headings."""

    title: str
    caption: str
    """What was measured, how, and which columns are the paper's: Markdown, in which names of others are escaped."""
    columns: Sequence[Column]

    @property
    def cells(self) -> pd.DataFrame:
        """One row per method."""
        frame = pd.DataFrame(dict(enumerate(cells for _, cells in self.columns)))
        return frame.set_axis([heading for heading, _ in self.columns], axis=1)

    def to_markdown(self) -> str:
        """Heading, caption and a pipe table."""
        align = ["left", *["right"] * (len(self.columns) - 1)]
        cells = self.cells.map(markdown_cell).rename(columns=markdown_cell)
        body = cells.to_markdown(index=False, disable_numparse=True, colalign=align)
        return f"## {markdown_cell(self.title)}\n\n{self.caption}\n\n{body}\n"


def table1(frame: pd.DataFrame, runs: pd.DataFrame = NO_RUNS) -> Table | None:
    """Swin-L: parameters, memory and accuracy on Pascal VOC and ADE20K. The runs are `runs_of` evaluations."""
    rows = in_rows_of_the_paper(frame)
    wanted: dict[str, Any] = {"backbone": "swin_large", "engine": "simulate", "batch_size": 2}
    found = {task: select_rows(rows, task=task, **wanted) for task in ("voc", "ade20k")}
    measured = {task: of_task for task, of_task in found.items() if not of_task.empty}
    if not measured:
        return None
    table = published("table1_voc_ade20k_swin_large").set_index(KEY)
    keys, names = papers_rows(table.index, measured.values())
    voc, ade = (of_task.reindex(keys) for of_task in found.values())
    paper = table.reindex(keys)
    settings = " ".join(f"{TASKS[task]}: {settings_text(of_task.iloc[0])}." for task, of_task in measured.items())
    trained = {task: runs_of_paper(runs, task, "swin_large") for task in found}
    bases = bases_of(keys, measured.values())
    box, miou = (groups_by_base(trained[task], bases, name) for task, name in ACCURACIES_1)
    return Table(
        "Table 1. Swin-L on Pascal VOC (RetinaNet) and ADE20K (UPerNet)",
        f"{settings} {PARAMETER_NOTE} VOC's detector reads three stages, but the paper counts a backbone with all four "
        f"output norms, and so does this table: its counts are those of ADE20K's model. {FORMS_NOTE} {MEMORY_NOTE} "
        f"{accuracy_note({TASKS[task]: of_task for task, of_task in trained.items()})} {VS_FULL_NOTE}"
        + absent_note([(TASKS[task], labels(), of_task.index) for task, of_task in found.items()]),
        [
            ("Method", names),
            *_parameters(ade["params"], paper),
            *_memory("VOC", voc["reserved_mib"], paper, "memory_voc_mb"),
            *_memory("ADE20K", ade["reserved_mib"]),
            ("extra structure, paper", text(paper["extra_structure"])),
            *accuracy_columns("VOC AP box", box, paper["voc_ap_box_pct"], 1),
            *accuracy_columns("ADE20K mIoU", miou, paper["ade20k_miou_pct"], 2),
        ],
    )


def table2(frame: pd.DataFrame, runs: pd.DataFrame = NO_RUNS) -> Table | None:
    """Swin-B on COCO, and E3VA on Swin-L. The runs are `runs_of` evaluations."""
    rows = in_rows_of_the_paper(frame)
    wanted: dict[str, Any] = {"task": "coco", "engine": "simulate", "batch_size": 2}
    base = select_rows(rows, backbone="swin_base", **wanted)
    large = select_rows(rows[rows["base"] == LARGE_METHOD], backbone=LARGE_BACKBONE, **wanted)
    if base.empty:
        return None
    table = published("table2_coco_swin_base")
    keys, names = papers_rows(table[KEY], [base])
    large_keys, large_names = papers_rows([LARGE_METHOD], [large])
    pairs = pd.MultiIndex.from_tuples(
        [(key, "swin_base") for key in keys] + [(key, LARGE_BACKBONE) for key in large_keys]
    )
    found = (base if large.empty else pd.concat([base, large])).set_index([KEY, "backbone"]).reindex(pairs)
    paper = table.set_index([KEY, "backbone"]).reindex(pairs)
    trained, trained_large = (runs_of_paper(runs, "coco", backbone) for backbone in ("swin_base", LARGE_BACKBONE))
    box, mask = (
        [
            *groups_by_base(trained, bases_of(keys, [base]), metric),
            *groups_by_base(trained_large, bases_of(large_keys, [large]), metric),
        ]
        for metric in METRICS["coco"]
    )
    return Table(
        "Table 2. Swin-B on COCO (Cascade Mask R-CNN)",
        f"{settings_text(base.iloc[0])}. {PARAMETER_NOTE} {FORMS_NOTE} {MEMORY_NOTE} "
        f"{accuracy_note({'Swin-B': trained, 'Swin-L': trained_large})} {VS_FULL_NOTE} Both compare the accuracy of "
        "E3VA on Swin-L with Full on Swin-B; the paper gives no Full on Swin-L."
        + absent_note([("Swin-B", labels(), base.index), ("Swin-L", [LARGE_METHOD], large.index)]),
        [
            ("Method", [*names, *(f"{name} (Swin-L)" for name in large_names)]),
            *_parameters(found["params"], paper),
            *_memory("COCO", found["reserved_mib"], paper, "memory_mb"),
            ("extra structure, paper", text(paper["extra_structure"])),
            *accuracy_columns("AP box", box, paper["ap_box_pct"], 1),
            *accuracy_columns("AP mask", mask, paper["ap_mask_pct"], 1),
        ],
    )


def settings_text(row: pd.Series) -> str:
    """What all rows of a table share, as captions say it."""
    said = row.map(setting_text)
    images = f"{said['batch_size']} images" if "batch_size" in row else "images"
    objects = f", {said['gt_boxes']} objects per image" if row["gt_boxes"] else ""
    return (
        f"{images} of {said['image_size']}{objects}, {said['precision']}, AdamW, PyTorch's rules {said['profile']}, "
        f"explicit attention with window {said['window']}"
    )


def setting_text(value: object) -> str:
    """A setting; a whole number without decimals, which it has where other rows lack it."""
    return markdown_cell(int(value) if isinstance(value, float) and value.is_integer() else value)


def _parameters(params: pd.Series, paper: pd.DataFrame) -> list[Column]:
    millions = params / 1e6
    return [
        ("params M", number(millions, 2)),
        ("paper", number(paper["trained_params_m"], 2)),
        ("diff", signed(millions - paper["trained_params_m"], 2)),
        ("vs Full %", signed(percent_above_full(millions), 2)),
        ("paper", signed(paper["params_delta_full_pct"], 2)),
    ]


def _memory(task: str, mib: pd.Series, paper: pd.DataFrame | None = None, paper_mb: str = "") -> list[Column]:
    relative = percent_above_full(mib)
    ours: list[Column] = [(f"{task} MiB", number(mib)), ("vs Full %", signed(relative))]
    if paper is None:
        return ours
    published_mb, published_relative = paper[paper_mb], paper["memory_delta_full_pct"]
    return [
        ours[0],
        ("paper MB", number(published_mb)),
        ("diff %", signed(percent_above(mib, published_mb))),
        ours[1],
        ("paper", signed(published_relative, 2)),
        ("points", signed(relative - published_relative)),
    ]
