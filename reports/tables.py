"""The paper's Tables 1 to 4, our figures beside the published ones."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from reports.records import label_of, published, select

MISSING = "–"
FULL = "full"
TASKS = {"voc": "VOC", "ade20k": "ADE20K", "coco": "COCO"}
VERDICTS = {"fits": "yes", "fits_with_retries": "yes, with retries", "oom": "OOM"}


@dataclass(frozen=True)
class Table:
    """A finished table: every cell is text."""

    title: str
    caption: str
    """What was measured, how, and which columns are the paper's."""
    cells: pd.DataFrame

    def to_markdown(self) -> str:
        """Heading, caption and a pipe table."""
        align = ["left", *["right"] * (self.cells.shape[1] - 1)]
        body = self.cells.to_markdown(index=False, disable_numparse=True, colalign=align)
        return f"## {self.title}\n\n{self.caption}\n\n{body}\n"


def table1(frame: pd.DataFrame) -> Table | None:
    """Swin-L: parameters, memory on Pascal VOC and ADE20K; accuracy as published."""
    voc = select(frame, task="voc", backbone="swin_large", engine="simulate", batch_size=2)
    ade = select(frame, task="ade20k", backbone="swin_large", engine="simulate", batch_size=2)
    if voc.empty or ade.empty:
        return None
    paper = published("table1_voc_ade20k_swin_large").set_index("key")
    # The paper counts on the backbone with four output norms, which VOC's detector does not have: count on ADE20K's.
    cells = {"Method": [label_of(method) for method in ade["method"]]}
    cells |= _parameters(ade, paper)
    cells |= _memory(ade["key"], voc, paper["memory_voc_mb"], paper["memory_delta_full_pct"], "VOC ")
    ade_mib = ade.set_index("key")["reserved_mib"]
    cells["ADE20K MiB"] = [_number(value, 0) for value in ade_mib]
    cells["ADE20K vs Full"] = [_percent(value) for value in _relative(ade_mib, ade_mib.get(FULL))]
    cells["Extra structure (paper)"] = _from(paper["extra_structure"], ade["key"], str)
    cells["VOC AP box (paper)"] = _from(paper["voc_ap_box_pct"], ade["key"], lambda v: _number(v, 1))
    cells["ADE20K mIoU (paper)"] = _from(paper["ade20k_miou_pct"], ade["key"], lambda v: _number(v, 2))
    return Table(
        "Table 1. Swin-L on Pascal VOC (RetinaNet) and ADE20K (UPerNet)",
        f"{_settings(voc)}; ADE20K: {_settings(ade)}. {MEMORY_NOTE}",
        pd.DataFrame(cells),
    )


def table2(frame: pd.DataFrame) -> Table | None:
    """Swin-B on COCO, and E3VA on Swin-L."""
    base = select(frame, task="coco", backbone="swin_base", engine="simulate", batch_size=2)
    if base.empty:
        return None
    large = select(frame, task="coco", backbone="swin_large", engine="simulate", batch_size=2, method="e3va")
    paper = published("table2_coco_swin_base")
    parts = []
    for rows, backbone in ((base, "swin_base"), (large, "swin_large")):
        theirs = paper[paper["backbone"] == backbone].set_index("key")
        suffix = "" if backbone == "swin_base" else " (Swin-L)"
        cells = {"Method": [label_of(method) + suffix for method in rows["method"]]}
        cells |= _parameters(rows, theirs)
        cells |= _memory(rows["key"], rows, theirs["memory_mb"], theirs["memory_delta_full_pct"], "")
        cells["Extra structure (paper)"] = _from(theirs["extra_structure"], rows["key"], str)
        cells["AP box (paper)"] = _from(theirs["ap_box_pct"], rows["key"], lambda v: _number(v, 1))
        cells["AP mask (paper)"] = _from(theirs["ap_mask_pct"], rows["key"], lambda v: _number(v, 1))
        parts.append(pd.DataFrame(cells))
    return Table(
        "Table 2. Swin-B on COCO (Cascade Mask R-CNN)",
        f"{_settings(base)}. {MEMORY_NOTE}",
        pd.concat(parts, ignore_index=True),
    )


def table3(frame: pd.DataFrame) -> Table | None:
    """Step time relative to Full."""
    timed = frame[frame["step_ms"].notna()] if "step_ms" in frame else frame
    per_task = {task: select(timed, task=task, engine="cpu", backbone="swin_tiny") for task in TASKS}
    per_task = {task: rows for task, rows in per_task.items() if not rows.empty}
    if not per_task:
        return None
    paper = published("table3_training_time").set_index("key")
    keys = next(iter(per_task.values()))["key"]
    cells: dict[str, list[str]] = {"Method": [label_of(method) for method in next(iter(per_task.values()))["method"]]}
    for task, rows in per_task.items():
        step_ms = rows.set_index("key")["step_ms"].reindex(keys)
        spread = rows.set_index("key").apply(_spread, axis=1).reindex(keys)
        share = 100 + _relative(step_ms, step_ms.get(FULL))
        theirs = paper[f"{task}_pct_full"].reindex(keys)
        name = TASKS[task]
        cells[f"{name} ms, median (p10-p90)"] = [
            MISSING if pd.isna(value) else f"{value:.0f} ({around})"
            for value, around in zip(step_ms, spread, strict=True)
        ]
        cells[f"{name} % of Full"] = [_number(value, 1) for value in share]
        cells[f"{name} % (paper)"] = [_number(value, 1) for value in theirs]
        cells[f"{name} difference, points"] = [_signed(value, 1) for value in share - theirs]
        cells[f"{name} hours (paper)"] = [_number(value, 0) for value in paper[f"{task}_hours"].reindex(keys)]
    first = next(iter(per_task.values())).iloc[0]
    sizes = "; ".join(
        f"{TASKS[task]} {rows.iloc[0]['batch_size']} images of {rows.iloc[0]['image_size']}"
        + (f", {rows.iloc[0]['rois_per_image']} RoIs per image" if rows.iloc[0]["rois_per_image"] else "")
        for task, rows in per_task.items()
    )
    caption = (
        f"**Measured** on a CPU ({first['environment']['device']}), not on a GPU: real training steps of Swin-T at a "
        f"small size ({sizes}), fp32, AdamW; {first['samples']} timed steps per method after 3 of warm-up, the methods "
        'of a task interleaved in one run. Only the columns "% of Full" compare with the paper, whose hours are whole '
        "trainings of Swin-L (VOC, ADE20K) and Swin-B (COCO) on GPUs."
    )
    return Table("Table 3. Training time", caption, pd.DataFrame(cells))


def table4(frame: pd.DataFrame) -> Table | None:
    """What trains on which card: Swin-L Cascade Mask R-CNN."""
    rows = {
        size: select(frame, task="coco", backbone="swin_large", engine="simulate", batch_size=size) for size in (1, 2)
    }
    if all(part.empty for part in rows.values()):
        return None
    paper = published("table4_gpu_trainability_swin_large_cascade").set_index(["key", "batch_size_per_gpu"])
    verdicts = pd.concat([part.assign(batch=size) for size, part in rows.items()]).sort_values("batch", kind="stable")
    gpus = list(verdicts.iloc[0]["fits"])
    order = {key: position for position, key in enumerate(dict.fromkeys(verdicts["key"]))}
    verdicts = verdicts.sort_values("key", key=lambda keys: keys.map(order), kind="stable")
    lines, agreed, compared = [], 0, 0
    for _, row in verdicts.iterrows():
        line = {"Method": label_of(row["method"]), "Images per GPU": str(row["batch"])}
        for gpu in gpus:
            verdict = row["fits"].get(gpu, {}).get("verdict")
            line[gpu] = VERDICTS.get(verdict, MISSING)
            theirs = _published_verdict(paper, row["key"], row["batch"], gpu)
            line[f"{gpu} (paper)"] = theirs
            if theirs != MISSING and verdict is not None:
                compared += 1
                agreed += (verdict != "oom") == (theirs == "yes")
        line["reserved MiB"] = _number(row["reserved_mib"], 0)
        lines.append(line)
    caption = (
        f"**Simulated**: {_settings(rows[2] if not rows[2].empty else rows[1], batch=False)}. A card fits a step when its "
        "allocations, replayed through PyTorch's allocator under the card's usable memory, all succeed; \"with retries\": "
        "only after cached memory was given back. Reserved memory is that of a card without limit. "
        f"{agreed} of {compared} cells agree with the paper, which gives no precision or image size for this table."
    )
    return Table("Table 4. Swin-L Cascade Mask R-CNN on four GPU classes", caption, pd.DataFrame(lines))


TABLES: dict[int, Callable[[pd.DataFrame], Table | None]] = {1: table1, 2: table2, 3: table3, 4: table4}

MEMORY_NOTE = (
    "Parameters are **counted**, in the backbone alone. Memory is **simulated**: the peak of what PyTorch's allocator "
    "reserves. Columns marked (paper) are **published**; the paper's MB are MiB, probably read with nvidia-smi (which adds "
    "0.5-1.3 GiB of CUDA context) under NVIDIA Apex mixed precision and PyTorch 1.x, so compare first the columns "
    '"vs Full". AP and mIoU were not measured here.'
)


def _settings(rows: pd.DataFrame, batch: bool = True) -> str:
    row = rows.iloc[0]
    images = f"{row['batch_size']} images of {row['image_size']}" if batch else f"images of {row['image_size']}"
    objects = f", {row['gt_boxes']} objects per image" if row["gt_boxes"] else ""
    return f"{images}{objects}, {row['precision']}, AdamW, rules of {row['profile']}, explicit attention, window {row['window']}"


def _parameters(rows: pd.DataFrame, paper: pd.DataFrame) -> dict[str, list[str]]:
    ours = rows.set_index("key")["params"] / 1e6
    theirs = paper["trained_params_m"].reindex(ours.index)
    relative = _relative(ours, ours.get(FULL))
    return {
        "Trained params (M)": [_number(value, 2) for value in ours],
        "params (paper)": [_number(value, 2) for value in theirs],
        "difference": [_signed(value, 2) for value in ours - theirs],
        "params vs Full": [_percent(value, 2) for value in relative],
        "params vs Full (paper)": [_percent(value, 2) for value in paper["params_delta_full_pct"].reindex(ours.index)],
    }


def _memory(
    keys: pd.Series, rows: pd.DataFrame, paper_mb: pd.Series, paper_delta: pd.Series, prefix: str
) -> dict[str, list[str]]:
    ours = rows.set_index("key")["reserved_mib"].reindex(keys)
    theirs, their_delta = paper_mb.reindex(keys), paper_delta.reindex(keys)
    relative = _relative(ours, ours.get(FULL))
    return {
        f"{prefix}MiB": [_number(value, 0) for value in ours],
        f"{prefix}MB (paper)": [_number(value, 0) for value in theirs],
        f"{prefix}difference": [_percent(value) for value in 100 * (ours / theirs - 1)],
        f"{prefix}vs Full": [_percent(value) for value in relative],
        f"{prefix}vs Full (paper)": [_percent(value) for value in their_delta],
        f"{prefix}difference, points": [_signed(value, 1) for value in relative - their_delta],
    }


def _relative(values: pd.Series, reference: float | None) -> pd.Series:
    """Percent above (below) the reference; nothing for the reference itself or without one."""
    if reference is None or pd.isna(reference):
        return pd.Series(float("nan"), index=values.index)
    return 100 * (values / reference - 1)


def _spread(row: pd.Series) -> str:
    return f"{row['step_p10_ms']:.0f}-{row['step_p90_ms']:.0f}"


def _published_verdict(paper: pd.DataFrame, key: str, batch_size: int, gpu: str) -> str:
    column = gpu.replace("-", "_")
    if (key, batch_size) not in paper.index or column not in paper.columns:
        return MISSING
    return str(paper.loc[(key, batch_size), column])


def _from(column: pd.Series, keys: pd.Series, write: Callable[[object], str]) -> list[str]:
    return [write(value) if pd.notna(value) else MISSING for value in column.reindex(keys)]


def _number(value: float | None, digits: int) -> str:
    return MISSING if value is None or pd.isna(value) else f"{value:,.{digits}f}".replace(",", " ")


def _signed(value: float, digits: int) -> str:
    return MISSING if pd.isna(value) else f"{value:+.{digits}f}"


def _percent(value: float, digits: int = 1) -> str:
    return MISSING if pd.isna(value) else f"{value:+.{digits}f} %"
