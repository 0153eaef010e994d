"""What of the paper has no figure of ours: its tables that the results lack, and columns that nothing here measures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NEEDED = {
    1: "results of voc or ade20k on swin_large, simulated, with 2 images",
    2: "results of coco on swin_base, simulated, with 2 images",
    3: "step times of swin_tiny, measured on a CPU",
    4: "results of coco on swin_large, simulated, with 1 or 2 images",
    5: "results of e3va-reference and of its variants e3va-standard or e3va-stacked on voc with swin_large, simulated",
    6: "results of e3va-reference and of its variants e3va-trained-merging or e3va-frozen-norms on voc with "
    "swin_large, simulated",
}
"""Number of a table of the paper -> the results without which it is not shown."""


@dataclass(frozen=True)
class Unmatched:
    """Published columns that stand in the report alone."""

    line: str
    """What they are, and why no figure of ours stands beside them."""
    columns: Mapping[str, tuple[str, ...]]
    """File of `reports/published`, without its ending -> its columns."""


UNMATCHED = (
    Unmatched(
        "AP and mIoU (Tables 1, 2, 5 and 6) are accuracies after a whole training on the data sets. No such training "
        "was run here.",
        {
            "table1_voc_ade20k_swin_large": (
                "voc_ap_box_pct", "voc_delta_full_pct", "ade20k_miou_pct", "ade20k_delta_full_pct",
            ),
            "table2_coco_swin_base": (
                "ap_box_pct", "ap_box_delta_full_pct", "ap_mask_pct", "ap_mask_delta_full_pct",
            ),
            "table5_ablation_structure_voc": ("ap_box_pct",),
            "table6_ablation_downsampling_fpn": ("coco_ap_box_pct", "ade20k_miou_pct", "voc_ap_box_pct"),
        },
    ),
    Unmatched(
        "Hours (Table 3) are those of whole trainings on GPUs that the paper does not name. Times here are of single "
        "steps, so that only the shares of Full compare.",
        {"table3_training_time": ("voc_hours", "ade20k_hours", "coco_hours")},
    ),
    Unmatched(
        "Extra structure (Tables 1 and 2) says how a method is made and is no figure. The methods here are the same.",
        {"table1_voc_ade20k_swin_large": ("extra_structure",), "table2_coco_swin_base": ("extra_structure",)},
    ),
    Unmatched(
        "Parameters of E3VA on Swin-L in percent of Full, and its memory in percent of Full (Table 2), are missing in "
        "the paper, which has no Full on Swin-L there.",
        {},
    ),
    Unmatched(
        "Figure 1 is known by its caption alone. Its numbers here are those of the paper's Tables 1 to 3.",
        {},
    ),
    Unmatched(
        "The comparison of inference in the paper's appendix, the inference speed of the parallel structure (Table 5) "
        "and both rows of norms (Table 6) are not in the text that we worked from. Our figures of them stand alone.",
        {},
    ),
)  # fmt: skip


def absent_tables(titles: Iterable[str], numbers: Iterable[int]) -> list[str]:
    """A line for each of the paper's tables, among those asked for, that no title of a built table names."""
    titles = list(titles)
    return [
        f"Table {number} is missing, with the figures that the paper published in it: it needs {NEEDED[number]}."
        for number in numbers
        if not any(title.startswith(f"Table {number}.") for title in titles)
    ]


def unmatched_figures(titles: Iterable[str]) -> list[str]:
    """A line for each group of published figures beside which none of ours stands; none without such a table."""
    has_tables = any(title.startswith(tuple(f"Table {number}." for number in NEEDED)) for title in titles)
    return [group.line for group in UNMATCHED] if has_tables else []
