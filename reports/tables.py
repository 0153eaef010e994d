"""The paper's Tables 1 to 4, our figures beside the published ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.cells import MISSING, Column, number, signed, text, verdict
from reports.escaping import markdown_cell
from reports.ratios import percent_above, percent_above_full, percent_of_full
from reports.records import cards_of, label_of, published, select

TASKS = {"voc": "VOC", "ade20k": "ADE20K", "coco": "COCO"}
BATCH_SIZES = (1, 2)

PARAMETER_NOTE = "Parameters are **counted**, in the backbone alone."
MEMORY_NOTE = (
    "Memory is **simulated**: the most that PyTorch's allocator reserves. Columns headed *paper* are **published**. "
    "The paper's MB are MiB, probably read with nvidia-smi (which adds 0.5 to 1.3 GiB of CUDA context) under NVIDIA "
    "Apex mixed precision and PyTorch 1.x: compare *vs Full* before the MiB. AP and mIoU were not measured here."
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


def table1(frame: pd.DataFrame) -> Table | None:
    """Swin-L: parameters, memory on Pascal VOC and ADE20K; accuracy as published."""
    voc = select(frame, task="voc", backbone="swin_large", engine="simulate", batch_size=2)
    ade = select(frame, task="ade20k", backbone="swin_large", engine="simulate", batch_size=2)
    if voc.empty or ade.empty:
        return None
    paper = published("table1_voc_ade20k_swin_large").set_index("key").reindex(ade.index)
    return Table(
        "Table 1. Swin-L on Pascal VOC (RetinaNet) and ADE20K (UPerNet)",
        f"VOC: {_settings(voc)}. ADE20K: {_settings(ade)}. {PARAMETER_NOTE} VOC's detector reads three stages, but the "
        f"paper counts a backbone with all four output norms, and so does this table. {MEMORY_NOTE}",
        [
            ("Method", [label_of(method) for method in ade["method"]]),
            *_parameters(ade["params"], paper),
            *_memory("VOC", voc["reserved_mib"].reindex(ade.index), paper, "memory_voc_mb"),
            *_memory("ADE20K", ade["reserved_mib"]),
            ("extra structure, paper", text(paper["extra_structure"])),
            ("VOC AP box, paper", number(paper["voc_ap_box_pct"], 1)),
            ("ADE20K mIoU, paper", number(paper["ade20k_miou_pct"], 2)),
        ],
    )


def table2(frame: pd.DataFrame) -> Table | None:
    """Swin-B on COCO, and E3VA on Swin-L."""
    base = select(frame, task="coco", backbone="swin_base", engine="simulate", batch_size=2)
    if base.empty:
        return None
    large = select(frame, task="coco", backbone="swin_large", engine="simulate", batch_size=2, method="e3va")
    rows = pd.concat([base, large]).set_index(["key", "backbone"], drop=False)
    paper = published("table2_coco_swin_base").set_index(["key", "backbone"]).reindex(rows.index)
    names = [label_of(method) for method in base["method"]] + [
        f"{label_of(method)} (Swin-L)" for method in large["method"]
    ]
    return Table(
        "Table 2. Swin-B on COCO (Cascade Mask R-CNN)",
        f"{_settings(base)}. {PARAMETER_NOTE} {MEMORY_NOTE}",
        [
            ("Method", names),
            *_parameters(rows["params"], paper),
            *_memory("COCO", rows["reserved_mib"], paper, "memory_mb"),
            ("extra structure, paper", text(paper["extra_structure"])),
            ("AP box, paper", number(paper["ap_box_pct"], 1)),
            ("AP mask, paper", number(paper["ap_mask_pct"], 1)),
        ],
    )


def table3(frame: pd.DataFrame) -> Table | None:
    """Step time relative to Full."""
    timed = frame[frame["step_ms"].notna()]
    per_task = {task: select(timed, task=task, backbone="swin_tiny", engine="cpu") for task in TASKS}
    per_task = {task: rows for task, rows in per_task.items() if not rows.empty}
    if not per_task:
        return None
    methods = pd.concat(per_task.values()).groupby(level=0, sort=False)["method"].first()
    paper = published("table3_training_time").set_index("key").reindex(methods.index)
    columns: list[Column] = [("Method", [label_of(method) for method in methods])]
    for task, found in per_task.items():
        rows = found.reindex(methods.index)
        # In turns with Full where that was measured: on a noisy machine only such times compare.
        share = (100 * rows["relative_to_full"]).fillna(percent_of_full(rows["step_ms"]))
        columns += [
            (f"{TASKS[task]} ms (p10-p90)", spread_text(rows)),
            ("% of Full", number(share, 1)),
            ("paper", number(paper[f"{task}_pct_full"], 1)),
            ("points", signed(share - paper[f"{task}_pct_full"])),
            ("hours, paper", number(paper[f"{task}_hours"])),
        ]
    return Table("Table 3. Training time", _timing_caption(per_task), columns)


def table4(frame: pd.DataFrame) -> Table | None:
    """What trains on which card: Swin-L Cascade Mask R-CNN."""
    wanted = {"task": "coco", "backbone": "swin_large", "engine": "simulate"}
    per_batch = [select(frame, **wanted, batch_size=size) for size in BATCH_SIZES]
    rows = pd.concat(per_batch)
    if rows.empty:
        return None
    # Method by method, small batch first: `select` has put the methods in order within each batch size.
    order = list(dict.fromkeys(rows.index))
    rows = rows.sort_values("key", key=lambda keys: keys.map(order.index), kind="stable")
    paper = published("table4_gpu_trainability_swin_large_cascade").set_index(["key", "batch_size_per_gpu"])
    paper = paper.reindex(pd.MultiIndex.from_frame(rows[["key", "batch_size"]]))
    columns: list[Column] = [
        ("Method", [label_of(method) for method in rows["method"]]),
        ("images per GPU", text(rows["batch_size"])),
    ]
    agreed, compared = 0, 0
    for gpu in cards_of(rows["fits"]):
        ours = [fits.get(gpu, {}).get("verdict") for fits in rows["fits"]]
        theirs = text(paper[gpu.replace("-", "_")]) if gpu.replace("-", "_") in paper else [MISSING] * len(rows)
        columns += [(gpu, [verdict(name) for name in ours]), ("paper", theirs)]
        pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b != MISSING]
        compared += len(pairs)
        agreed += sum((a != "oom") == (b == "yes") for a, b in pairs)
    columns.append(("reserved MiB", number(rows["reserved_mib"])))
    caption = (
        f"**Simulated**: {_settings(rows.drop(columns='batch_size'))}. A card fits a step when all its allocations "
        "succeed in a replay through PyTorch's allocator under the card's usable memory; *retries*: only after cached "
        "memory was given back to the driver. Reserved memory is that on a card without limit. "
        f"{agreed} of {compared} cells agree with the paper, which names no precision or image size for this table."
    )
    return Table("Table 4. Swin-L Cascade Mask R-CNN on four GPU classes", caption, columns)


TABLES: dict[int, Callable[[pd.DataFrame], Table | None]] = {1: table1, 2: table2, 3: table3, 4: table4}


def _settings(rows: pd.DataFrame) -> str:
    return settings_text(rows.iloc[0])


def settings_text(row: pd.Series) -> str:
    """What all rows of a table share, as captions say it."""
    said = row.map(markdown_cell)
    images = f"{said['batch_size']} images" if "batch_size" in row else "images"
    objects = f", {said['gt_boxes']} objects per image" if row["gt_boxes"] else ""
    return (
        f"{images} of {said['image_size']}{objects}, {said['precision']}, AdamW, PyTorch's rules {said['profile']}, "
        f"explicit attention with window {said['window']}"
    )


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
        ("paper", signed(published_relative)),
        ("points", signed(relative - published_relative)),
    ]


def spread_text(rows: pd.DataFrame) -> list[str]:
    """Median and spread of the step time, a cell per row."""
    return [
        MISSING if pd.isna(ms) else f"{ms:.0f}" + ("" if pd.isna([p10, p90]).any() else f" ({p10:.0f}-{p90:.0f})")
        for ms, p10, p90 in zip(rows["step_ms"], rows["step_p10_ms"], rows["step_p90_ms"], strict=True)
    ]


def _timing_caption(per_task: dict[str, pd.DataFrame]) -> str:
    return (
        f"{timing_text(per_task)} Compare *% of Full* alone with the paper: its hours are whole trainings of Swin-L "
        "(VOC, ADE20K) and Swin-B (COCO) on GPUs."
    )


def timing_text(per_task: dict[str, pd.DataFrame]) -> str:
    """How the step times of some tasks were measured, as captions say it."""
    first = next(iter(per_task.values())).iloc[0]
    device = markdown_cell(first["environment"].get("device") or "its name is not known")
    sizes = []
    for task, rows in per_task.items():
        row = rows.iloc[0]
        said = row.map(markdown_cell)
        rois = f" with {said['rois_per_image']} RoIs each" if row["rois_per_image"] else ""
        sizes.append(f"{TASKS[task]} {said['batch_size']} images of {said['image_size']}{rois}")
    return (
        f"**Measured** on a CPU ({device}), not on a GPU: real training steps of Swin-T at a small size "
        f"({'; '.join(sizes)}), {markdown_cell(first['precision'])}, AdamW. Median of {first['samples']} steps per "
        "method after 3 of warm-up, each in turns with a step of Full."
    )
