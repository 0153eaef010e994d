"""Ablations of E3VA (the paper's Tables 5 and 6), and what the paper leaves open: one thing changed at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from reports.accuracy.columns import accuracy_note
from reports.accuracy.runs import NO_RUNS, runs_of_paper
from reports.accuracy.spread import cells_of
from reports.cells import Column, number, signed
from reports.forms import REFERENCE
from reports.ratios import percent_above
from reports.records import PUBLISHED, select
from reports.tables import Table, settings_text
from reports.times.measured import spread_text, timing_text
from reports.times.predicted import PREDICTED_NOTE, predicted_columns
from reports.times.shares import UNSURE_NOTE, shares_of_full

BACKBONE, TIMED_BACKBONE = "swin_large", "swin_tiny"
BASE, UNCHANGED = "e3va", ""
"""The method that the variants are of, and the name of the variant in which nothing is changed."""
PAPER = {
    "table5_ablation_structure_voc": {
        "params M, paper": ("parameters_m", 2),
        "batches/s of inference, paper": ("inference_batches_per_s", 1),
    }
}
"""Published table -> our heading -> its column and digits, of figures that are no accuracy."""
ACCURACIES = {
    "table5_ablation_structure_voc": (("VOC AP box", "voc", "AP box", "ap_box_pct", 1),),
    "table6_ablation_downsampling_fpn": (
        ("COCO AP box", "coco", "AP box", "coco_ap_box_pct", 1),
        ("ADE20K mIoU", "ade20k", "mIoU", "ade20k_miou_pct", 2),
        ("VOC AP box", "voc", "AP box", "voc_ap_box_pct", 1),
    ),
}
"""Published table -> our heading, task, metric, the paper's column and digits. All are of `BACKBONE`."""


@dataclass(frozen=True)
class Variant:
    """A row: a design of E3VA."""

    label: str
    variant: str
    """What a result says that it changes."""
    published: str = ""
    """Its name in the paper's table."""


@dataclass(frozen=True)
class Ablation:
    """A table."""

    title: str
    about: str
    variants: Sequence[Variant]
    published: str = ""
    """Name of the paper's table."""


ABLATIONS = (
    Ablation(
        "Table 5. Adapters and structure of E3VA",
        "Standard adapters have 32 hidden channels; stacked ones read, in each block, what the one before put out. The "
        "paper's rows *low-rank* and *parallel* are both E3VA itself, the first row here; the inference speed of "
        "*parallel* did not survive in the text that we worked from.",
        (
            Variant("dual low-rank, parallel (E3VA)", UNCHANGED, "E3VA low-rank"),
            Variant("standard adapter", "standard", "E3VA standard adapter (mid 32)"),
            Variant("stacked", "stacked", "E3VA stacked"),
        ),
        "table5_ablation_structure_voc",
    ),
    Ablation(
        "Table 6. Reduction and norms of E3VA",
        "The highway passes the backbone's frozen patch mergings (inherited reduction), or copies that train; the "
        "output norms before the pyramid train, or stay as they are. The paper's figures for frozen norms did not "
        "survive in the text that we worked from.",
        (
            Variant("inherited reduction, trained norms (E3VA)", UNCHANGED, "Inherited reduction"),
            Variant("trained reduction", "trained-merging", "Trainable reduction"),
            Variant("frozen norms", "frozen-norms"),
        ),
        "table6_ablation_downsampling_fpn",
    ),
    Ablation(
        "What the paper leaves open about E3VA",
        "Each row answers one open question otherwise than the default does: where the highway starts (e_0), whether "
        "an adapter adds its input, what the output norms read, where a branch is tapped, and how the last factor "
        "starts. `e3va.Design` says why the defaults are what they are.",
        (
            Variant("as by default (E3VA)", UNCHANGED),
            Variant("e_0 = 0 instead of l_0", "zero-start"),
            Variant("no inner residual", "no-residual"),
            Variant("norm(e) instead of norm(l + e)", "highway-output"),
            Variant("tap after DropPath", "late-tap"),
            Variant("no factor starts at zero", "kaiming"),
        ),
    ),
)


def ablation_tables(frame: pd.DataFrame, runs: pd.DataFrame = NO_RUNS) -> list[Table]:
    """Those of which a variant was measured beside E3VA itself. The runs are `runs_of` evaluations."""
    tables = [_table(frame, runs, ablation) for ablation in ABLATIONS] if not frame.empty else []
    return [table for table in tables if table is not None]


def _table(frame: pd.DataFrame, runs: pd.DataFrame, ablation: Ablation) -> Table | None:
    plain_modules = (frame["base"] == BASE) & (frame["form"] == REFERENCE)
    wanted = frame[plain_modules & ~frame["checkpointing"].astype(bool)]
    voc, ade = (_rows(wanted, ablation, task, BACKBONE, "simulate") for task in ("voc", "ade20k"))
    if voc["task"].notna().sum() < 2 or pd.isna(voc.loc[UNCHANGED, "task"]):
        return None
    time = _rows(wanted, ablation, "voc", TIMED_BACKBONE, "cpu")
    columns: list[Column] = [
        ("E3VA", [variant.label for variant in ablation.variants]),
        ("params M", number(ade["params"] / 1e6, 2)),
        ("VOC allocated MiB", number(voc["allocated_mib"])),
        ("vs E3VA %", signed(_vs_base(voc["allocated_mib"]))),
        ("ADE20K allocated MiB", number(ade["allocated_mib"])),
        ("vs E3VA %", signed(_vs_base(ade["allocated_mib"]))),
    ]
    columns += predicted_columns(voc["predicted"], UNCHANGED, "% of E3VA")
    timing = PREDICTED_NOTE if columns[-1][0] == "% of E3VA" else ""
    if time["step_ms"].notna().any():
        steps, inferences = shares_of_full(time), shares_of_full(time, of="inference_relative").inverse()
        columns += [
            ("VOC CPU step ms (p10-p90)", spread_text(time)),
            ("vs E3VA %", steps.above(UNCHANGED).cells(0.0, sign=True)),
            ("images/s of inference", number(1e3 * time["batch_size"] / time["inference_ms"], 1)),
            ("vs E3VA %", inferences.above(UNCHANGED).cells(0.0, sign=True)),
        ]
        timing += (
            f" {timing_text({'voc': time.dropna(subset='task')})} Inference is that of the backbone alone, which is "
            f"what a method changes. Both *vs E3VA* come from ratios to Full, taken in turns. {UNSURE_NOTE}"
        )
    return Table(
        ablation.title,
        f"{ablation.about} All rows are built of plain modules (the reference form), so that they compare. Parameters "
        f"are **counted**, in the backbone with all four output norms. Memory is **simulated**: {BACKBONE}, VOC "
        f"{settings_text(voc.dropna(subset='task').iloc[0])}.{timing}" + _paper_note(ablation, runs),
        [*columns, *_published(ablation, runs)],
    )


def _rows(frame: pd.DataFrame, ablation: Ablation, task: str, backbone: str, engine: str) -> pd.DataFrame:
    """One row per variant, in their order; empty cells for those that were not measured."""
    variants = [variant.variant for variant in ablation.variants]
    rows = select(frame[frame["variant"].isin(variants)], task=task, backbone=backbone, engine=engine, batch_size=2)
    return rows.set_index("variant", drop=False).reindex(variants)


def _vs_base(values: pd.Series) -> pd.Series:
    return percent_above(values, values.loc[UNCHANGED])


def _published(ablation: Ablation, runs: pd.DataFrame) -> list[Column]:
    """What the paper has of these rows, and our accuracy beside the paper's."""
    if not ablation.published:
        return []
    paper = pd.read_csv(PUBLISHED / f"{ablation.published}.csv").set_index("variant")
    paper = paper.reindex([variant.published for variant in ablation.variants])
    alone = PAPER.get(ablation.published, {})
    columns: list[Column] = [(heading, number(paper[column], digits)) for heading, (column, digits) in alone.items()]
    for heading, task, metric, column, digits in ACCURACIES[ablation.published]:
        of_base = _trained(runs, task)
        ours = [of_base.loc[of_base["variant"] == variant.variant, metric] for variant in ablation.variants]
        columns += [(heading, cells_of(ours, digits)), ("paper", number(paper[column], digits))]
    return columns


def _trained(runs: pd.DataFrame, task: str) -> pd.DataFrame:
    """Runs of E3VA and its variants that may stand beside the paper's."""
    found = runs_of_paper(runs, task, BACKBONE)
    return found[found["base"] == BASE]


def _paper_note(ablation: Ablation, runs: pd.DataFrame) -> str:
    if not ablation.published:
        return ""
    trained = {heading: _trained(runs, task) for heading, task, *_ in ACCURACIES[ablation.published]}
    return f" Columns headed *paper* are **published**, of whole models on the authors' GPUs. {accuracy_note(trained)}"
