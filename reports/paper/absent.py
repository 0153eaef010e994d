"""The paper's tables of which the results hold nothing, and what they need."""

from collections.abc import Iterable

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


def absent_tables(titles: Iterable[str], numbers: Iterable[int]) -> list[str]:
    """A line for each of the paper's tables, among those asked for, that no title of a built table names."""
    titles = list(titles)
    return [
        f"Table {number} is missing, with the figures that the paper published in it: it needs {NEEDED[number]}."
        for number in numbers
        if not any(title.startswith(f"Table {number}.") for title in titles)
    ]
