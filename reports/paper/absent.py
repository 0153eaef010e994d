"""What of the paper has no figure of ours: its tables that the results lack, and columns that nothing here measures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reports.cells import MISSING
from reports.tables import Table

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


ACCURACIES = {
    1: {"VOC AP box": "VOC", "ADE20K mIoU": "ADE20K"},
    2: {"AP box": "COCO", "AP mask": "COCO"},
    5: {"VOC AP box": "VOC"},
    6: {"COCO AP box": "COCO", "ADE20K mIoU": "ADE20K", "VOC AP box": "VOC"},
}
"""Number of a table of the paper -> heading of our accuracy in it -> data set."""

UNMATCHED = (
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


def unmatched_figures(tables: Iterable[Table]) -> list[str]:
    """A line for each group of published figures beside which none of ours stands; none without its tables."""
    of_paper = {number: table for table in tables for number in NEEDED if table.title.startswith(f"Table {number}.")}
    accuracies = [_without_trainings(of_paper)] if any(number in ACCURACIES for number in of_paper) else []
    return [*(line for line in accuracies if line), *(group.line for group in UNMATCHED)] if of_paper else []


def _without_trainings(of_paper: Mapping[int, Table]) -> str:
    """Which published accuracies have none of ours in their columns; nothing if all have some."""
    absent = {
        number: [data for heading, data in ACCURACIES[number].items() if _is_empty(table, heading)]
        for number, table in sorted(of_paper.items())
        if number in ACCURACIES
    }
    told = [f"Table {number}: {', '.join(dict.fromkeys(data))}" for number, data in absent.items() if data]
    return (
        "AP and mIoU are accuracies after a whole training on the data sets. No such training of the methods and "
        f"backbones of these tables was evaluated here ({'; '.join(told)})."
        if told
        else ""
    )


def _is_empty(table: Table, heading: str) -> bool:
    return all(set(cells) <= {MISSING} for name, cells in table.columns if name == heading)
